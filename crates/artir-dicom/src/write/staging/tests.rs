use super::*;

fn identity(text: &str) -> Identity {
    Identity { series: hex(&Sha256::digest(text)), settings: hex(&Sha256::digest("settings")) }
}

fn key(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn write(staging: &mut Staging, text: &str) {
    let mut file = staging.create(&key(text)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    staging.complete(&key(text), file).unwrap();
}

/// Publishes objects under the names that their places give them.
fn publish(staging: Staging, texts: &[&str]) -> Manifest {
    let objects: Vec<_> = texts.iter().zip(1..).map(|(text, i)| (format!("{i:04}.dcm"), key(text))).collect();
    let manifest = staging.manifest(&objects);
    staging.publish(&manifest).unwrap();
    manifest
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_complete_is_taken_up_and_what_is_not_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out/series-1");
    let id = identity("id");
    let mut first = Staging::open(target.clone(), &id, false, false).unwrap();
    write(&mut first, "one");
    write(&mut first, "two");
    let mut torn = first.create(&key("three")).unwrap();
    torn.write_all(b"thr").unwrap();
    torn.flush().unwrap();
    assert!(matches!(Staging::open(target.clone(), &id, false, true), Err(Error::Write { .. })), "locked");
    first.suspend();
    fs::write(dir.path().join("out/.artir-series-1").join(key("two")), "changed").unwrap();
    assert!(!target.exists());
    let mut second = Staging::open(target.clone(), &id, false, true).unwrap();
    assert_eq!(["one", "two", "three"].map(|n| second.is_done(&key(n))), [true, false, false]);
    write(&mut second, "two");
    write(&mut second, "three");
    let manifest = publish(second, &["one", "two", "three"]);
    assert_eq!(names(&target), [Manifest::NAME, "0001.dcm", "0002.dcm", "0003.dcm"]);
    assert_eq!(names(&dir.path().join("out")), ["series-1"]);
    assert_eq!(fs::read(target.join("0003.dcm")).unwrap(), b"three");
    assert_eq!(Manifest::read(&target), Some(manifest));
    assert!(matches!(Staging::open(target.clone(), &id, false, false), Err(Error::Exists { .. })));
    assert!(matches!(Staging::open(target, &identity("other"), false, true), Err(Error::Exists { .. })));
}

#[test]
fn a_published_series_lends_what_is_still_right() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("series-1");
    let id = identity("id");
    let mut first = Staging::open(target.clone(), &id, false, false).unwrap();
    for text in ["one", "two", "four"] {
        write(&mut first, text);
    }
    let old = publish(first, &["one", "two", "four"]);
    fs::write(target.join("0002.dcm"), "damaged").unwrap();
    let mut second = Staging::open(target.clone(), &id, false, true).unwrap();
    let wanted = ["one", "two", "three", "four"].map(key);
    second.take_over(&old, &wanted.each_ref().map(String::as_str)).unwrap();
    assert_eq!(wanted.each_ref().map(|k| second.is_done(k)), [true, false, false, true]);
    write(&mut second, "two");
    write(&mut second, "three");
    publish(second, &["one", "two", "three", "four"]);
    assert_eq!(fs::read(target.join("0004.dcm")).unwrap(), b"four");
    assert_eq!(names(dir.path()), ["series-1"]);
    // Other settings lend nothing.
    let other = Identity { settings: key("other"), ..id };
    let mut third = Staging::open(target.clone(), &other, false, true).unwrap();
    third.take_over(&Manifest::read(&target).unwrap(), &wanted.each_ref().map(String::as_str)).unwrap();
    assert!(!third.is_done(&wanted[0]));
}

#[test]
fn a_file_that_somebody_put_into_a_series_stays() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("series-1");
    let id = identity("id");
    let mut first = Staging::open(target.clone(), &id, false, false).unwrap();
    write(&mut first, "one");
    publish(first, &["one"]);
    for name in [".DS_Store", "Thumbs.db"] {
        fs::write(target.join(name), "a system's").unwrap();
    }
    drop(Staging::open(target.clone(), &id, false, true).unwrap());
    let note = target.join("note.txt");
    fs::write(&note, "mine").unwrap();
    match Staging::open(target.clone(), &id, false, true) {
        Err(Error::Foreign { path }) => assert_eq!(path, note),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(&note).unwrap(), b"mine");
    // `overwrite` replaces the folder, whatever it holds.
    let mut second = Staging::open(target.clone(), &id, true, true).unwrap();
    write(&mut second, "two");
    publish(second, &["two"]);
    assert_eq!(names(&target), [Manifest::NAME, "0001.dcm"]);
}

#[test]
fn other_settings_start_anew_and_a_failure_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out/series-1");
    let mut first = Staging::open(target.clone(), &identity("id"), false, true).unwrap();
    write(&mut first, "one");
    first.suspend();
    let second = Staging::open(target.clone(), &identity("other"), false, true).unwrap();
    assert!(!second.is_done(&key("one")));
    drop(second);
    assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 0);
}

#[test]
fn a_series_that_an_earlier_version_moved_away_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("series-1");
    let old = dir.path().join(".artir-series-1.old");
    fs::create_dir(&old).unwrap();
    fs::write(old.join("0001.dcm"), "old").unwrap();
    assert!(matches!(Staging::open(target.clone(), &identity("id"), false, false), Err(Error::Exists { .. })));
    assert_eq!(names(&target), ["0001.dcm"]);
    // With both in place, as a kill before the old one's removal left them, `overwrite` goes its way.
    fs::create_dir(&old).unwrap();
    fs::write(old.join("0001.dcm"), "older").unwrap();
    let mut staging = Staging::open(target.clone(), &identity("id"), true, false).unwrap();
    write(&mut staging, "new");
    publish(staging, &["new"]);
    assert_eq!(fs::read(target.join("0001.dcm")).unwrap(), b"new");
    assert_eq!(names(dir.path()), ["series-1"]);
}

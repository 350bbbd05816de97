//! Every state that a kill between two steps can leave, and its completion by the next run.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use super::*;
use crate::{
    encoding::hex,
    list::{FORM, read_list},
};

/// The files of a folder and what is in them, hidden ones left aside.
fn state(folder: &Path) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if !name.starts_with(crate::PREFIX) {
            out.push((name, fs::read_to_string(entry.path()).unwrap()));
        }
    }
    out.sort();
    out
}

fn put(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn as_state(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

const OLD_FILES: [(&str, &str); 3] = [("out.tif", "old"), ("out.tif.aux.xml", "old"), ("out.tif.msk", "old")];
const NEW_FILES: [(&str, &str); 3] = [("out.tif", "new"), ("out.tif.aux.xml", "new"), ("out.tif.ovr", "new")];

fn set() -> FileSet {
    FileSet {
        main: "scene.tif".into(),
        beside: vec![
            ("scene.tif.aux.xml".into(), "out.tif.aux.xml".into()),
            ("scene.tif.ovr".into(), "out.tif.ovr".into()),
        ],
        gone: vec!["out.tif.msk".into()],
    }
}

fn stage(folder: &HiddenFolder) {
    for name in ["scene.tif", "scene.tif.aux.xml", "scene.tif.ovr"] {
        folder.create(name).unwrap().write_all(b"new").unwrap();
    }
}

fn killed() -> io::Error {
    io::Error::other("killed")
}

#[test]
fn a_set_is_never_mixed_and_a_kill_at_any_step_is_completed() {
    let mut steps = 0;
    loop {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &OLD_FILES);
        let mut folder = HiddenFolder::open(&dir.path().join("out.tif")).unwrap();
        stage(&folder);
        folder.write_list(&set()).unwrap();
        let mut left = steps;
        let ended = apply(folder.path(), folder.target(), &set(), &mut |from, to| {
            if left == 0 {
                return Err(killed());
            }
            left -= 1;
            fs::rename(from, to)
        });
        folder.keep();
        drop(folder);
        let found = state(dir.path());
        if steps == 0 {
            assert_eq!(found, as_state(&OLD_FILES));
        } else if ended.is_ok() {
            assert_eq!(found, as_state(&NEW_FILES));
        } else {
            assert!(found.iter().all(|(name, _)| name != "out.tif"), "without the main file nobody reads: {found:?}");
        }
        drop(HiddenFolder::open(&dir.path().join("out.tif")).unwrap());
        assert_eq!(state(dir.path()), as_state(&NEW_FILES), "after {steps} steps");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "nothing else is left");
        if ended.is_ok() {
            break;
        }
        steps += 1;
    }
    assert_eq!(steps, 6);
}

#[test]
fn a_set_that_cannot_be_published_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), &OLD_FILES);
    let target = dir.path().join("out.tif");
    let mut folder = HiddenFolder::open(&target).unwrap();
    stage(&folder);
    assert_eq!(folder.publish_set(&set(), false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    fs::create_dir(dir.path().join("out.tif.ovr")).unwrap();
    assert_eq!(folder.publish_set(&set(), true).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    fs::remove_dir(dir.path().join("out.tif.ovr")).unwrap();
    let mut foreign = set();
    foreign.gone.push("other.tif".into());
    assert_eq!(folder.publish_set(&foreign, true).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    // A step that fails is undone with those before it: the last file cannot move to where a folder is.
    put(dir.path(), &[("out.tif.rrd", "old")]);
    let in_the_way = folder.create_folder("old-beside-2").unwrap();
    put(&in_the_way, &[("a", "a")]);
    let mut torn = set();
    torn.beside.push(("scene.tif".into(), "out.tif.rrd".into()));
    assert!(folder.publish_set(&torn, true).is_err());
    let with_rrd = [&OLD_FILES[..], &[("out.tif.rrd", "old")]].concat();
    let mut expected = as_state(&with_rrd);
    expected.sort();
    assert_eq!(state(dir.path()), expected);
    fs::remove_file(dir.path().join("out.tif.rrd")).unwrap();
    folder.publish_set(&set(), true).unwrap();
    drop(folder);
    assert_eq!(state(dir.path()), as_state(&NEW_FILES));
}

#[test]
fn what_came_beside_meanwhile_is_not_replaced_without_a_word() {
    for name in ["out.tif.aux.xml", "out.tif.msk"] {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &[(name, "somebody's")]);
        let mut folder = HiddenFolder::open(&dir.path().join("out.tif")).unwrap();
        stage(&folder);
        assert_eq!(folder.publish_set(&set(), false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(state(dir.path()), as_state(&[(name, "somebody's")]));
    }
}

#[test]
fn lists_read_as_they_were_written_and_name_no_other_folder() {
    let dir = tempfile::tempdir().unwrap();
    let folder = HiddenFolder::open(&dir.path().join("x")).unwrap();
    let mut odd = set();
    odd.gone.push(OsString::from_vec(vec![b'a', b'\n', 0xff, b' ']));
    folder.write_list(&odd).unwrap();
    let text = fs::read_to_string(folder.path().join(LIST)).unwrap();
    assert_eq!(read_list(&text), Some(odd));
    for cut in 0..text.len() {
        assert_eq!(read_list(&text[..cut]), None, "{cut}");
    }
    for bad in ["../x", "/x", "a/b", "..", "."] {
        let text = format!("{FORM}\nmain {}\ngone {}\nend\n", hex(b"m"), hex(bad.as_bytes()));
        assert_eq!(read_list(&text), None, "{bad}");
    }
}

#[test]
fn a_list_that_names_other_files_moves_none() {
    for name in ["precious.tif", "out.html", "out.jp2", ".profile"] {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &[("out.tif", "old"), (name, "precious")]);
        let mut folder = HiddenFolder::open(&dir.path().join("out.tif")).unwrap();
        stage(&folder);
        let planted = FileSet { main: "scene.tif".into(), gone: vec![name.into()], ..FileSet::default() };
        folder.write_list(&planted).unwrap();
        folder.keep();
        drop(folder);
        drop(HiddenFolder::open(&dir.path().join("out.tif")).unwrap());
        let mut expected = as_state(&[("out.tif", "old"), (name, "precious")]);
        expected.retain(|(name, _)| !name.starts_with(crate::PREFIX));
        expected.sort();
        assert_eq!(state(dir.path()), expected, "{name}");
    }
}

#[test]
fn a_folder_changes_places_with_the_old_one_or_goes_by_way_of_another() {
    let none = |_: &Path, _: &Path| None;
    for step in 0..=2 {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("series");
        fs::create_dir(&target).unwrap();
        put(&target, &[("a", "old")]);
        let mut folder = HiddenFolder::open(&target).unwrap();
        let staged = folder.create_folder("new").unwrap();
        put(&staged, &[("a", "new")]);
        let mut left = step;
        let result = replace(&staged, &target, &folder.path().join(OLD), none, &mut |from, to| {
            if left == 0 {
                return Err(killed());
            }
            left -= 1;
            fs::rename(from, to)
        });
        folder.keep();
        drop(folder);
        assert_eq!(result.is_ok(), step == 2);
        assert_eq!(target.exists(), step != 1);
        drop(HiddenFolder::open(&target).unwrap());
        let expected = if step == 2 { "new" } else { "old" };
        assert_eq!(state(&target), as_state(&[("a", expected)]), "step {step}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_published_folder_has_the_modes_of_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("series");
    let (plain, plain_file) = (dir.path().join("plain"), dir.path().join("plain.txt"));
    fs::create_dir(&plain).unwrap();
    fs::write(&plain_file, "").unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
    for text in ["first", "second"] {
        let folder = HiddenFolder::open(&target).unwrap();
        let staged = folder.create_folder("new").unwrap();
        folder.create("a.part").unwrap().write_all(text.as_bytes()).unwrap();
        fs::rename(folder.path().join("a.part"), staged.join("a")).unwrap();
        folder.publish_folder("new").unwrap();
        assert_eq!(state(&target), as_state(&[("a", text)]));
    }
    assert_eq!((mode(&target), mode(&target.join("a"))), (mode(&plain), mode(&plain_file)));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

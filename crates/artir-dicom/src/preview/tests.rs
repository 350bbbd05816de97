use std::{fs, path::Path};

use ndarray::Array2;

use super::*;

const ABDOMEN: DisplayWindow = DisplayWindow { centre: 40.0, width: 400.0 };

/// Noise, which no PNG makes small; the same for the same seed.
fn noise(seed: u32) -> Array2<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    Array2::from_shape_fn((40, 50), |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 23) as f32 - 200.0
    })
}

/// A page of slices that grow by 10 HU; the first of them may be flat.
fn page(path: &Path, slices: usize, limit: u64, flat_first: bool) -> String {
    let mut writer = PreviewWriter::with_limit(path, "series 1", "HU", ABDOMEN, slices, limit).unwrap();
    for i in 0..slices {
        let before = if flat_first && i == 0 { Array2::zeros((40, 50)) } else { noise(i as u32) };
        let after = &before + 10.0;
        writer.add(i, Some(2.5 * i as f64 - 10.0), [0.5, 0.5], before.view(), after.view()).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), path);
    fs::read_to_string(path).unwrap()
}

/// The numbers of the slices that a page shows.
fn numbers(html: &str) -> Vec<usize> {
    let number = |text: &str| text.split(',').next().unwrap().parse().unwrap();
    html.split("\"number\":").skip(1).map(number).collect()
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

/// The bytes of base64 text.
fn decoded(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let word = |chunk: &[u8]| chunk.iter().fold(0, |word, c| word << 6 | u32::from(value(*c)));
    let text = text.trim_end_matches('=').as_bytes();
    let mut out: Vec<u8> = text.chunks_exact(4).flat_map(|c| word(c).to_be_bytes()[1..].to_vec()).collect();
    let rest = text.chunks_exact(4).remainder();
    let bytes = (word(rest) << (6 * (4 - rest.len()))).to_be_bytes();
    out.extend(&bytes[1..(rest.len() * 6 / 8 + 1)]);
    out
}

#[test]
fn every_slice_is_shown_as_three_grey_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let html = page(&dir.path().join("page.html"), 3, LIMIT, false);
    assert_eq!(numbers(&html), [1, 2, 3]);
    assert!(html.contains("All 3 slices are shown."), "{html}");
    assert!(html.contains("\"position\":-10.000") && html.contains("\"aspect\":1.250000"), "{html}");
    let greys = Greys::new(ABDOMEN, "HU").unwrap();
    for (kind, expected) in [
        ("before", noise(0).mapv(|v| greys.of(v))),
        ("after", noise(0).mapv(|v| greys.of(v + 10.0))),
        ("difference", Array2::from_elem((40, 50), 153)),
    ] {
        let text = html.split(&format!("\"{kind}\":\"")).nth(1).unwrap().split('"').next().unwrap();
        let picture = image::load_from_memory(&decoded(text)).unwrap();
        assert_eq!(picture.color(), image::ColorType::L8);
        assert_eq!((picture.width(), picture.height()), (50, 40));
        assert_eq!(picture.into_luma8().into_raw(), expected.into_raw_vec_and_offset().0, "{kind}");
    }
}

#[test]
fn the_page_says_what_it_is_and_names_no_other_place() {
    let dir = tempfile::tempdir().unwrap();
    let html = page(&dir.path().join("page.html"), 1, LIMIT, false);
    for words in [
        "Research use only. Not for diagnosis.",
        "windowed to 8 bits",
        "centre 40, width 400 HU",
        "\u{2212}160 HU and below is black, above 239 HU is white",
        "white is +50 HU or more, black is \u{2212}50 HU or less",
        "default-src 'none'; img-src data:; style-src 'sha256-",
    ] {
        assert!(html.contains(words), "{words}");
    }
    assert!(!html.contains("{{") && !html.contains("}}"), "every name is replaced");
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("unsafe"));
    assert!(html.contains(Inline::new(STYLE, SCRIPT).values()[0].1));
}

#[test]
fn text_is_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.html");
    let heading = "<script>alert(\"1\")</script> & {{total}} 'x'";
    let mut writer = PreviewWriter::create(&path, heading, "<SUV>", ABDOMEN, 1).unwrap();
    writer.add(0, None, [1.0, 1.0], noise(1).view(), noise(1).view()).unwrap();
    let html = fs::read_to_string(writer.finish().unwrap()).unwrap();
    assert!(!html.contains("<script>alert") && !html.contains("<SUV>"));
    let escaped = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; {{total}} &#39;x&#39;";
    assert_eq!(html.matches(escaped).count(), 2, "title and heading");
    assert!(html.contains("width 400 &lt;SUV&gt;"));
    assert!(html.contains("\"position\":null"));
}

#[test]
fn what_does_not_fit_is_thinned_out_and_the_page_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.html");
    let whole = page(&path, 1, LIMIT, false).len() as u64;
    let one = page(&path, 2, LIMIT, false).len() as u64 - whole;
    // Room for four and a half slices, and for what is set aside for the page's end.
    let limit = whole + 7 * one / 2 + 1000;
    let html = page(&path, 11, limit, false);
    assert_eq!(numbers(&html), [1, 4, 7, 10]);
    assert!(html.contains("every 3rd slice is shown, of 11.") && html.contains("\"total\":11}"), "{html}");
    assert!(html.len() as u64 <= limit);
    // A first slice that tells too little: the page is thinned out on the way.
    let html = page(&path, 11, limit, true);
    assert_eq!(numbers(&html), [1, 5, 9]);
    assert!(html.contains("every 4th slice is shown, of 11."), "{html}");
    assert!(html.len() as u64 <= limit);
    assert_eq!(html.matches("</html>").count(), 1);
    assert!(html.trim_end().ends_with("</html>"));
    // At least one slice is shown, whatever it takes.
    assert_eq!(numbers(&page(&path, 5, 100, false)), [1]);
}

#[cfg(unix)]
#[test]
fn the_file_is_private_while_it_grows_and_has_the_mode_of_the_umask_after() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    let path = dir.path().join("page.html");
    fs::write(dir.path().join("plain"), "").unwrap();
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut writer = PreviewWriter::create(&path, "series 1", "HU", ABDOMEN, 1).unwrap();
    writer.add(0, None, [1.0, 1.0], noise(1).view(), noise(2).view()).unwrap();
    assert_eq!(mode(".artir-page.html"), 0o700, "nobody else enters the folder that the page grows in");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    writer.finish().unwrap();
    assert_eq!(mode("page.html"), mode("plain"));
    assert_eq!(names(dir.path()), ["page.html", "plain"]);
}

#[test]
fn nothing_is_left_of_a_page_that_is_not_finished() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/for/page.html");
    let mut writer = PreviewWriter::create(&path, "series 1", "HU", ABDOMEN, 2).unwrap();
    writer.add(0, None, [1.0, 1.0], noise(1).view(), noise(2).view()).unwrap();
    drop(writer);
    assert!(names(dir.path()).is_empty());
    let empty = PreviewWriter::create(&path, "series 1", "HU", ABDOMEN, 0).unwrap().finish();
    assert_eq!(empty.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let narrow = DisplayWindow { centre: 0.0, width: 0.5 };
    let narrow = PreviewWriter::create(&path, "series 1", "HU", narrow, 1);
    assert_eq!(narrow.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn slices_that_do_not_fit_each_other_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = PreviewWriter::create(&dir.path().join("p.html"), "series 1", "HU", ABDOMEN, 1).unwrap();
    let (small, none) = (Array2::zeros((2, 3)), Array2::zeros((0, 3)));
    let wrong = writer.add(0, None, [1.0, 1.0], small.view(), noise(1).view());
    assert_eq!(wrong.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(
        writer.add(0, None, [1.0, 1.0], none.view(), none.view()).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
}

#[test]
fn pixels_keep_their_proportions() {
    assert_eq!(aspect((50, 40), [0.5, 0.5]), 1.25);
    // Rows twice as far apart as columns: the picture is half as wide.
    assert_eq!(aspect((50, 50), [2.0, 1.0]), 0.5);
    for spacing in [[0.0, 1.0], [1.0, -1.0], [f64::NAN, 1.0], [f64::INFINITY, 1.0], [1e-9, 1.0]] {
        assert_eq!(aspect((50, 40), spacing), 1.25, "{spacing:?}");
    }
}

//! Names of files in a report: without their folders, which can name a person or a project.

use std::path::Path;

/// Takes folders out of texts for a report.
#[derive(Debug)]
pub(crate) struct Names {
    /// Paths that the command line names, the longest first.
    known: Vec<String>,
    /// Everything stays as it is.
    show: bool,
}

impl Names {
    /// `known` are the paths that the command line names; `show` leaves all paths whole.
    pub(crate) fn new<'a>(known: impl IntoIterator<Item = &'a Path>, show: bool) -> Self {
        let mut all: Vec<String> = Vec::new();
        for path in known {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
            let resolved = folder.map(artir_files::resolve);
            for folder in folder.into_iter().chain(resolved.as_deref()) {
                all.push(format!("{}/", folder.display()).replace("//", "/"));
            }
        }
        all.sort_by_key(|folder| std::cmp::Reverse(folder.len()));
        all.dedup();
        Self { known: all, show }
    }

    /// A text with the names of files alone. Folders that the command line names go first, whatever letters they have. Then
    /// everything between a quote and the last slash before its end goes, and of other paths everything from a blank or a
    /// bracket to the last slash.
    pub(crate) fn in_text(&self, text: &str) -> String {
        if self.show {
            return text.to_owned();
        }
        let text = self.known.iter().fold(text.to_owned(), |text, folder| text.replace(folder.as_str(), ""));
        let text = quoted_names(&text);
        let ends = |c: char| c.is_whitespace() || "'\"()[]<>,;".contains(c);
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let end = rest.find(ends).unwrap_or(rest.len());
            out += file_name(&rest[..end]);
            let next = rest[end..].chars().next().map_or(0, char::len_utf8);
            out += &rest[end..end + next];
            rest = &rest[end + next..];
        }
        out
    }
}

/// Shortens quoted paths to their last part: folders in quotes can hold blanks.
fn quoted_names(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = &rest[start..=start];
        let (before, after) = (&rest[..start], &rest[start + 1..]);
        out += before;
        out += quote;
        rest = after;
        // After a letter it is an apostrophe, or the end of a quotation.
        if before.ends_with(char::is_alphanumeric) {
            continue;
        }
        if let Some(end) = after.find(quote) {
            let name = after[..end].rsplit('/').next().unwrap_or_default();
            out += name.split('?').next().unwrap_or_default();
            out += quote;
            rest = &after[end + 1..];
        }
    }
    out + rest
}

/// The last part of what looks like a path. A query after it can hold a key, and goes too.
fn file_name(word: &str) -> &str {
    let path = if word.contains("://") { word.split('?').next().unwrap_or(word) } else { word };
    let (body, tail) = path.split_at(path.trim_end_matches([':', '.', '/']).len());
    match body.rsplit_once('/') {
        Some((folder, name)) if looks_like_a_path(folder, name) => &path[path.len() - name.len() - tail.len()..],
        _ => path,
    }
}

fn looks_like_a_path(folder: &str, name: &str) -> bool {
    folder.is_empty() || folder.contains('/') || folder.starts_with(['.', '~']) || name.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_and_folders_are_not() {
        let names = Names::new([Path::new("/data/Dr Who/a.vrt"), Path::new("out/r.tif")], false);
        for (text, expected) in [
            ("/data/Dr Who/a.vrt: names /srv/lake/x.tif: no", "a.vrt: names x.tif: no"),
            ("out/r.tif: cannot write: full", "r.tif: cannot write: full"),
            ("a virtual raster that names '../p/b.tif', outside", "a virtual raster that names 'b.tif', outside"),
            ("the scene's part names '/srv/jane doe/b.tif' twice", "the scene's part names 'b.tif' twice"),
            ("names 'jane doe/b.tif', and 'c d.tif'", "names 'b.tif', and 'c d.tif'"),
            ("use --allow-path /srv/lake to allow it", "use --allow-path lake to allow it"),
            ("NETCDF:\"/srv/x.nc\":red", "NETCDF:\"x.nc\":red"),
            ("https://host/a/x.tif?key=1 failed", "x.tif failed"),
            ("bits and/or bytes at 0.5 m/px", "bits and/or bytes at 0.5 m/px"),
        ] {
            assert_eq!(names.in_text(text), expected);
        }
        let shown = Names::new([Path::new("/data/a.vrt")], true);
        assert_eq!(shown.in_text("/data/a.vrt: no"), "/data/a.vrt: no");
    }
}

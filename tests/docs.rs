//! The documents: every link leads somewhere, every path and make target in them exists, and the front page stays short.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use walkdir::WalkDir;

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

/// Every Markdown file of the project, relative to its root. Tools, builds and data lie elsewhere, or behind a dot.
fn documents() -> Vec<PathBuf> {
    let root = root();
    let mut out = Vec::new();
    for folder in ["docs", "models", "validation", ".github"] {
        let files = WalkDir::new(root.join(folder)).sort_by_file_name().into_iter();
        let files =
            files.filter_entry(|entry| !["runs", "node_modules"].contains(&&*entry.file_name().to_string_lossy()));
        out.extend(files.map(|entry| entry.unwrap().into_path()));
    }
    out.extend(fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()));
    out.retain(|path| path.is_file() && path.extension().is_some_and(|ending| ending == "md"));
    out.sort();
    out.into_iter().map(|path| path.strip_prefix(&root).unwrap().to_owned()).collect()
}

/// Written by hand, and no history: what it names must be there.
fn is_current(document: &Path) -> bool {
    let name = document.to_string_lossy();
    let written_by_programs = name.starts_with("validation/") && name != "validation/README.md";
    let card = name.starts_with("models/zoo/") || (name.starts_with("models/") && !name.ends_with("NOTICE.md"));
    !written_by_programs && !card && name != "CHANGELOG.md"
}

/// What a document holds that can be wrong.
#[derive(Default)]
struct Document {
    links: Vec<String>,
    /// Names of headings, as they stand in links.
    anchors: BTreeSet<String>,
    code: Vec<String>,
    title: String,
}

fn read(document: &Path) -> Document {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let mut out = Document::default();
    let mut heading: Option<(HeadingLevel, String)> = None;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut in_block = false;
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                out.links.push(dest_url.into_string());
            }
            Event::Start(Tag::Heading { level, .. }) => heading = Some((level, String::new())),
            Event::End(TagEnd::Heading(_)) => {
                let Some((level, text)) = heading.take() else { continue };
                let slug: String = text
                    .trim()
                    .to_lowercase()
                    .chars()
                    .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
                    .map(|c| if c == ' ' { '-' } else { c })
                    .collect();
                let count = times.entry(slug.clone()).or_default();
                out.anchors.insert(if *count == 0 { slug.clone() } else { format!("{slug}-{count}") });
                *count += 1;
                if level == HeadingLevel::H1 && out.title.is_empty() {
                    out.title = text;
                }
            }
            Event::Start(Tag::CodeBlock(_)) => in_block = true,
            Event::End(TagEnd::CodeBlock) => in_block = false,
            Event::Text(part) | Event::Code(part) if heading.is_some() => {
                if let Some((_, text)) = &mut heading {
                    text.push_str(&part);
                }
            }
            Event::Code(part) => out.code.push(part.into_string()),
            Event::Text(part) if in_block => out.code.extend(part.lines().map(str::to_owned)),
            _ => {}
        }
    }
    out
}

fn is_elsewhere(link: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| link.starts_with(scheme))
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for document in documents() {
        for link in read(&document).links.into_iter().filter(|link| !is_elsewhere(link)) {
            checked += 1;
            let (path, anchor) = link.split_once('#').map_or((&*link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            let Ok(full) = fs::canonicalize(root().join(&target)) else {
                wrong.push(format!("{}: {link}: nothing is there", document.display()));
                continue;
            };
            let Ok(inside) = full.strip_prefix(root()) else {
                wrong.push(format!("{}: {link}: outside the project", document.display()));
                continue;
            };
            if let Some(anchor) = anchor
                && !read(inside).anchors.contains(anchor)
            {
                wrong.push(format!("{}: {link}: no such heading", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 100, "only {checked} links found");
}

#[test]
fn the_book_holds_every_page() {
    let summary: BTreeSet<PathBuf> =
        read(Path::new("docs/SUMMARY.md")).links.into_iter().map(|link| Path::new("docs").join(link)).collect();
    let pages: BTreeSet<PathBuf> =
        documents().into_iter().filter(|path| path.starts_with("docs") && !path.ends_with("SUMMARY.md")).collect();
    assert_eq!(summary, pages, "docs/SUMMARY.md against the files in docs");
    for (number, path) in pages.iter().filter(|path| path.starts_with("docs/decisions")).enumerate() {
        let Some(name) = path.file_name().unwrap().to_str().filter(|name| *name != "README.md") else { continue };
        // The index of the folder sorts last.
        let expected = format!("{:03}", number + 1);
        assert!(name.starts_with(&expected), "{name}: the next number is {expected}");
        assert!(read(path).title.starts_with(&format!("{expected}. ")), "{name}: its title lacks its number");
    }
}

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn spelled_out(text: &str) -> Vec<String> {
    let Some((before, rest)) = text.split_once('{') else { return vec![text.to_owned()] };
    let Some((inside, after)) = rest.split_once('}') else { return vec![text.to_owned()] };
    inside.split(',').flat_map(|part| spelled_out(&format!("{before}{part}{after}"))).collect()
}

#[test]
fn paths_scripts_and_make_targets_exist() {
    const FOLDERS: [&str; 9] =
        ["crates/", "docs/", "fuzz/", "models/", "scripts/", "tests/", "validation/", ".ci/", ".github/"];
    // What a run makes, or the reader names.
    const MADE: [&str; 2] = ["models/runs", "docs/book"];
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let bootstrap = fs::read_to_string(root().join("scripts/bootstrap.sh")).unwrap();
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for document in documents().into_iter().filter(|path| is_current(path)) {
        for line in read(&document).code {
            let mut fail = |what: &str| wrong.push(format!("{}: `{line}`: no {what}", document.display()));
            let words: Vec<&str> = line.split_whitespace().take_while(|word| *word != "#").collect();
            for pair in words.windows(2) {
                let is_target = pair[1].bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
                if pair[0] == "make" && is_target && !targets.contains(pair[1]) {
                    fail(&format!("target {}", pair[1]));
                }
                if pair[0] == "scripts/bootstrap.sh" && pair[1].starts_with("--") && !bootstrap.contains(pair[1]) {
                    fail(&format!("option {}", pair[1]));
                }
            }
            for word in words {
                let named = FOLDERS.iter().any(|folder| word.starts_with(folder));
                let pattern =
                    word.contains(['*', '$', '<', '\u{2026}']) || word.contains("NAME") || word.contains("NNN");
                if !named || pattern || MADE.iter().any(|made| word.starts_with(made)) {
                    continue;
                }
                for path in spelled_out(word.trim_end_matches(['.', ',', ':', ';', ')'])) {
                    checked += 1;
                    if !root().join(&path).exists() {
                        fail(&format!("file {path}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 50, "only {checked} paths found");
}

#[test]
fn the_first_pages_stay_short() {
    for name in ["README.md", "ARCHITECTURE.md"] {
        let lines = fs::read_to_string(root().join(name)).unwrap().lines().count();
        assert!(lines < 150, "{name} has {lines} lines");
    }
    let picture = root().join("docs/images/before-after.jpg");
    assert!(picture.metadata().unwrap().len() < 300_000, "{}", picture.display());
}

/// Files that cannot read the workspace's version name it themselves.
#[test]
fn integrations_name_this_version() {
    let root = root();
    let files = WalkDir::new(root.join("integrations")).into_iter().map(|entry| entry.unwrap().into_path());
    let files = files.chain([root.join("docs/guide/node.md")]).filter(|path| path.is_file());
    let mut named = 0;
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for before in ["artir:", "artir-mercure:", "artir-", "\nversion="] {
            for rest in text.split(before).skip(1) {
                let version = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap();
                if version.trim_end_matches('.').split('.').count() == 3 {
                    assert_eq!(version, env!("CARGO_PKG_VERSION"), "{}: {before}{version}", path.display());
                    named += 1;
                }
            }
        }
    }
    assert!(named >= 8, "{named} places");
}

//! The command reference in `docs/reference`, and checks of the commands in the documents.
//!
//! This module holds tests only: they generate the pages and compare them. After a change of flags, run
//! `ARTIR_WRITE_REFERENCE=1 cargo test -p artir-cli reference`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use clap::{Arg, Command, CommandFactory, Parser, error::ErrorKind};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser as Markdown, Tag, TagEnd};
use walkdir::WalkDir;

use crate::{Cli, EXIT_CODES};

const HEAD: &str = "<!-- Generated from the flags of the binary. Do not edit. -->\n\n";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Help text as Markdown, with flags as code.
fn escaped(text: &str) -> String {
    let word = |word: &str| {
        let flag = word.trim_end_matches([',', '.', ';', ':', ')', ']']);
        if flag.starts_with("--") {
            return format!("`{flag}`{}", &word[flag.len()..]);
        }
        word.replace('\\', "\\\\").replace('<', "\\<").replace('*', "\\*").replace('_', "\\_").replace('[', "\\[")
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn help(arg: &Arg) -> String {
    arg.get_long_help().or(arg.get_help()).map_or_else(String::new, |text| escaped(&text.to_string()))
}

/// An argument as an item of a list: its form, purpose, values and default.
fn item(arg: &Arg) -> String {
    let short = arg.get_short().map_or_else(String::new, |c| format!("-{c}, "));
    let mut out = format!("- `{short}{}`", arg.to_string().replace('`', ""));
    let text = help(arg);
    if !text.is_empty() {
        out += &format!(": {text}");
    }
    if arg.get_action().takes_values() {
        let values: Vec<String> = arg
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| match value.get_help() {
                Some(text) => format!("`{}` ({})", value.get_name(), escaped(&text.to_string())),
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        if !values.is_empty() {
            out += &format!(". Values: {}", values.join(", "));
        }
        let defaults: Vec<String> =
            arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        if !defaults.is_empty() {
            out += &format!(". Default: {}", defaults.join(", "));
        }
    }
    out + "\n"
}

/// The arguments of a command, in the order of its help.
fn items(command: &Command, positional: bool) -> String {
    let shown = command.get_arguments().filter(|arg| {
        arg.is_positional() == positional && !arg.is_hide_set() && !arg.is_global_set() && arg.get_id() != "help"
    });
    shown.filter(|arg| arg.get_id() != "version").map(item).collect()
}

/// A command and its subcommands, with headings from `level` on.
fn section(command: &mut Command, level: usize) -> String {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let mut out = format!("{} {name}\n\n", "#".repeat(level));
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        out += &format!("{}.\n\n", escaped(&about.to_string()).trim_end_matches('.'));
    }
    let usage = command.render_usage().to_string();
    out += &format!("```text\n{}\n```\n", usage.trim_start_matches("Usage: ").trim());
    for (title, positional) in [("Arguments", true), ("Options", false)] {
        let items = items(command, positional);
        if !items.is_empty() {
            out += &format!("\n{} {title}\n\n{items}", "#".repeat(level + 1));
        }
    }
    for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        out += &format!("\n{}", section(sub, level + 1));
    }
    out
}

/// All pages by file name.
fn pages() -> BTreeMap<String, String> {
    let mut cli = Cli::command();
    cli.build();
    let mut out = BTreeMap::new();
    let mut index = format!("{HEAD}# Command reference\n\n| command | purpose |\n|---|---|\n");
    let global: String = cli.get_arguments().filter(|arg| arg.is_global_set()).map(item).collect();
    for command in cli.get_subcommands_mut().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let name = command.get_name().to_owned();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(index, "| [`artir {name}`]({name}.md) | {} |", escaped(&about));
        let page =
            format!("{HEAD}{}\n[Options of every command](README.md#options-of-every-command)\n", section(command, 1));
        out.insert(format!("{name}.md"), page);
    }
    let codes: String = EXIT_CODES
        .trim_start_matches("Exit codes: ")
        .trim_end_matches('.')
        .split("; ")
        .filter_map(|code| code.split_once(' '))
        .map(|(code, meaning)| format!("| {code} | {meaning} |\n"))
        .collect();
    let _ = write!(
        index,
        "\n## Options of every command\n\n{global}\n## Exit codes\n\n| code | meaning |\n|---|---|\n{codes}"
    );
    out.insert("README.md".into(), index);
    out
}

#[test]
fn the_reference_states_the_flags() {
    let folder = repository().join("docs/reference");
    let pages = pages();
    if std::env::var_os("ARTIR_WRITE_REFERENCE").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &pages {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let committed: BTreeSet<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(committed, pages.keys().cloned().collect(), "pages in docs/reference");
    for (name, text) in &pages {
        let found = fs::read_to_string(folder.join(name)).unwrap();
        assert!(
            found == *text,
            "docs/reference/{name} is stale: run ARTIR_WRITE_REFERENCE=1 cargo test -p artir-cli reference"
        );
    }
}

/// Documents whose commands must work. The changelog and the decisions are history.
fn documents() -> Vec<PathBuf> {
    let root = repository();
    let mut out = Vec::new();
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "RELEASE-CHECKLIST.md"] {
        out.push(root.join(name));
    }
    out.push(root.join("validation/README.md"));
    out.push(root.join("models/noncommercial/NOTICE.md"));
    for folder in ["docs", ".github"] {
        let files = WalkDir::new(root.join(folder)).sort_by_file_name();
        out.extend(files.into_iter().map(|entry| entry.unwrap().into_path()).filter(|path| {
            path.extension().is_some_and(|ending| ending == "md")
                && !path.components().any(|part| part.as_os_str() == "decisions" || part.as_os_str() == "reference")
        }));
    }
    out
}

/// The lines of the fenced blocks that hold commands, continued lines joined, and the inline code.
fn code(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut spans) = (Vec::new(), Vec::new());
    let mut fenced: Option<String> = None;
    for event in Markdown::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if &*language == "sh" => {
                fenced = Some(String::new());
            }
            Event::Text(part) => {
                if let Some(block) = &mut fenced {
                    block.push_str(&part);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some(block) = fenced.take() {
                    lines.extend(block.replace("\\\n", " ").lines().map(str::to_owned));
                }
            }
            Event::Code(span) => spans.push(span.into_string()),
            _ => {}
        }
    }
    (lines, spans)
}

/// The words of a command from `artir` on; `None` for another command.
fn words(line: &str) -> Option<Vec<String>> {
    let words = shlex::split(line)?;
    let is_setting = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
    };
    let rest: Vec<String> = words.into_iter().skip_while(is_setting).collect();
    (Path::new(rest.first()?).file_name()? == "artir").then_some(rest)
}

#[test]
fn commands_in_the_documents_parse() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for line in code(&text).0 {
            let Some(words) = words(&line) else { continue };
            seen += 1;
            if let Err(e) = Cli::try_parse_from(words)
                && !matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
            {
                wrong.push(format!("{}: {line}: {e}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 30, "only {seen} commands found");
}

/// Checks that a span such as `--resume`, or `artir geo --inspect`, names an existing flag or command.
#[test]
fn flags_in_the_text_exist() {
    let mut cli = Cli::command();
    cli.build();
    let long = |command: &Command| -> BTreeSet<String> {
        command.get_arguments().filter_map(Arg::get_long).map(|name| format!("--{name}")).collect()
    };
    let all: BTreeSet<String> =
        cli.get_subcommands().chain(cli.get_subcommands().flat_map(Command::get_subcommands)).flat_map(long).collect();
    let mut wrong = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for span in code(&text).1 {
            let words: Vec<&str> = span.split_whitespace().collect();
            let known = match words.as_slice() {
                ["artir", name, ..] if !name.starts_with('-') && !name.chars().all(char::is_uppercase) => {
                    match cli.find_subcommand(name) {
                        Some(command) => long(command),
                        None => BTreeSet::new(),
                    }
                }
                [first, ..] if first.starts_with("--") => all.clone(),
                _ => continue,
            };
            let flags = words.iter().filter(|word| word.starts_with("--"));
            let missing = |word: &&&str| !known.contains(word.split('=').next().unwrap_or(word));
            if known.is_empty() || flags.into_iter().any(|word| missing(&word)) {
                wrong.push(format!("{}: `{span}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "no such command or flag:\n{}", wrong.join("\n"));
}

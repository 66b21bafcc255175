//! The documentation and `--help` agree: every documented command line is valid, and every command and option is
//! documented.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use weir_tests::wait::PATIENCE;
use weir_tests::{binaries, process};

/// Options that clap adds to every command.
const STANDARD_OPTIONS: [&str; 2] = ["help", "version"];

/// A program as its `--help` describes it.
struct Program {
    name: &'static str,
    /// The options of each command, without dashes; those of the program itself under the empty name.
    commands: BTreeMap<String, BTreeSet<String>>,
}

impl Program {
    fn all() -> [Self; 2] {
        [Self::read("weir-balancer", &binaries::balancer()), Self::read("weir-agent", &binaries::agent())]
    }

    fn read(name: &'static str, path: &Path) -> Self {
        let help = help(path, &[]);
        let (_, list) = help.split_once("\nCommands:\n").expect("a list of commands");
        let names = list.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
        let mut commands: BTreeMap<_, _> = names
            .filter(|name| *name != "help")
            .map(|name| (name.to_owned(), options(&self::help(path, &[name]))))
            .collect();
        commands.insert(String::new(), options(&help));
        assert!(commands.len() > 3, "{name}: {commands:?}");
        Self { name, commands }
    }

    /// Returns the problem with the arguments of a documented command line, if any.
    fn problem(&self, arguments: &[&str]) -> Option<String> {
        let command =
            arguments.first().filter(|first| self.commands.contains_key(**first)).copied().unwrap_or_default();
        let options = &self.commands[command];
        let unknown = named_options(arguments).into_iter().find(|option| !options.contains(option))?;
        Some(format!("`{} {command}` has no option --{unknown}", self.name))
    }
}

fn help(program: &Path, command: &[&str]) -> String {
    let mut run = process::command(program);
    run.args(command).arg("--help");
    process::run(run, PATIENCE).expect_success().stdout
}

/// Returns the long options in the output of `--help`, which begins a line with each.
fn options(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(|line| line.trim_start().trim_start_matches([',', ' ']));
    let names = lines.filter_map(|line| {
        let line = line.strip_prefix("-h, ").or(line.strip_prefix("-V, ")).unwrap_or(line);
        Some(line.strip_prefix("--")?.split(|c: char| !c.is_ascii_lowercase() && c != '-').next()?.to_owned())
    });
    names.filter(|name| !STANDARD_OPTIONS.contains(&name.as_str())).collect()
}

/// Returns the long options among arguments. Those after `--` belong to another program.
fn named_options(arguments: &[&str]) -> Vec<String> {
    let own = arguments.iter().take_while(|argument| **argument != "--");
    let options = own.filter_map(|argument| argument.strip_prefix("--"));
    options.map(|option| option.split('=').next().unwrap_or(option).to_owned()).collect()
}

/// The documentation, as text by file name.
fn documents() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let list = |folder: &str| {
        fs::read_dir(root.join(folder))
            .expect("the documentation can be read")
            .map(|entry| entry.expect("the documentation can be read").path())
    };
    let pages = list("docs").chain(list("examples").map(|example| example.join("README.md")));
    let pages = pages.chain([root.join("README.md")]).filter(|page| page.extension().is_some_and(|ext| ext == "md"));
    pages.map(|page| (page.clone(), fs::read_to_string(page).expect("the documentation can be read"))).collect()
}

/// Returns the code in a document: inline code, and each indented line together with those that continue it.
fn code(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let indented = joined.lines().filter(|line| line.starts_with("    ")).map(str::to_owned);
    let inline = joined.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2).map(str::to_owned));
    indented.chain(inline).collect()
}

/// Returns the arguments of a program in a piece of code, up to what belongs to the shell. The program's name may be
/// missing if the code starts with one of its commands.
fn arguments<'a>(code: &'a str, program: &Program) -> Option<Vec<&'a str>> {
    let words: Vec<&str> = code.split_whitespace().collect();
    if words.first() == Some(&"cargo") {
        return None;
    }
    let start = match words.iter().position(|word| *word == program.name) {
        Some(position) => position + 1,
        None => words.first().filter(|word| program.commands.contains_key(**word)).map(|_| 0)?,
    };
    let is_shell = |word: &&&str| ["|", "<", ">", "&&", "#", "…"].contains(*word);
    Some(words[start..].iter().take_while(|word| !is_shell(word)).copied().collect())
}

#[test]
fn documented_command_lines_are_valid() {
    let documents = documents();
    let mut checked = 0;
    for program in Program::all() {
        for (page, text) in &documents {
            for code in code(text) {
                let Some(arguments) = arguments(&code, &program) else { continue };
                checked += 1;
                assert_eq!(program.problem(&arguments), None, "{}: {code}", page.display());
            }
        }
    }
    assert!(checked > 30, "only {checked} command lines were found");
}

#[test]
fn every_command_and_option_is_documented() {
    let code: Vec<String> = documents().values().flat_map(|text| code(text)).collect();
    // An option may be documented by its name alone, next to its command.
    let first_words: Vec<&str> = code.iter().filter_map(|code| code.split_whitespace().next()).collect();
    let alone: BTreeSet<String> = named_options(&first_words).into_iter().collect();
    let mut missing = Vec::new();
    for program in Program::all() {
        let lines: Vec<Vec<&str>> = code.iter().filter_map(|code| arguments(code, &program)).collect();
        for (command, options) in &program.commands {
            let is_of_command = |line: &&Vec<&str>| command.is_empty() || line.first() == Some(&command.as_str());
            let lines: Vec<_> = lines.iter().filter(is_of_command).collect();
            if lines.is_empty() {
                missing.push(format!("{} {command}", program.name));
            }
            let named: BTreeSet<String> = lines.iter().flat_map(|line| named_options(line)).collect();
            let options = options.iter().filter(|option| !named.contains(*option) && !alone.contains(*option));
            missing.extend(options.map(|option| format!("{} {command} --{option}", program.name)));
        }
    }
    assert!(missing.is_empty(), "not documented: {missing:#?}");
}

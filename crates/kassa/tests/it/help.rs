//! The help of every command, as a person sees it.

use clap::CommandFactory;
use kassa::cli::Cli;

/// Every command below `command`, with its path.
fn walk(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
    found.push((path.to_owned(), command.clone()));
    for child in command.get_subcommands() {
        if child.get_name() != "help" {
            walk(child, &format!("{path} {}", child.get_name()), found);
        }
    }
}

fn commands() -> Vec<(String, clap::Command)> {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut found = Vec::new();
    walk(&root, "kassa", &mut found);
    found
}

#[test]
fn the_help_of_every_command_is_as_it_was_read() {
    for (path, mut command) in commands() {
        let help = command.render_long_help().to_string();
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(path.replace(' ', "_"), help);
        });
    }
}

#[test]
fn every_command_that_does_something_teaches_with_an_example() {
    for (path, mut command) in commands() {
        let is_group = command
            .get_subcommands()
            .any(|child| child.get_name() != "help");
        let help = command.render_long_help().to_string();
        let teaches = help.contains("Example") || (is_group && help.contains("Commands:"));
        assert!(teaches, "{path} has no example:\n{help}");
    }
}

#[test]
fn the_arguments_fit_together() {
    Cli::command().debug_assert();
}

#[test]
fn the_exit_codes_are_documented() {
    let help = Cli::command().render_long_help().to_string();
    for code in [
        "0  everything was done",
        "1  something failed",
        "2  the command line",
    ] {
        assert!(help.contains(code), "{code}");
    }
    let version = Cli::command().render_version();
    assert!(version.split_whitespace().nth(1).unwrap().contains('.'));
}

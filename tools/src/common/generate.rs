// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is made from the definitions of a tool's options: its manual, and completions for shells.

use crate::out;
use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::{
    roff::{bold, roman, Roff},
    Man,
};
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// What is made from the definitions of the options, for packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Generate {
    Man,
    Bash,
    Fish,
    Zsh,
}

impl Generate {
    /// Prints it; the result is the program's status.
    pub fn print<A: CommandFactory>(self) -> ExitCode {
        let mut text = Vec::new();
        if self.to::<A>(&mut text).is_err() {
            return ExitCode::FAILURE;
        }
        out::data(&text);
        out::status(ExitCode::SUCCESS)
    }

    fn to<A: CommandFactory>(self, out: &mut dyn Write) -> io::Result<()> {
        let mut command = A::command();
        let shell = match self {
            Generate::Man => return manual(&mut command, out),
            Generate::Bash => Shell::Bash,
            Generate::Fish => Shell::Fish,
            Generate::Zsh => Shell::Zsh,
        };
        let tool = command.get_name().to_owned();
        let mut text = Vec::new();
        command.build();
        clap_complete::generate(shell, &mut offered(&command), tool, &mut text);
        out.write_all(&text)
    }
}

/// A command, which is built, without what help hides: that is not to be offered to anybody.
fn offered(command: &Command) -> Command {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    // Those for help and version are among them.
    Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .version(command.get_version().unwrap_or_default().to_owned())
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args(shown.cloned())
        .subcommands(command.get_subcommands().map(offered))
}

/// A page of the manual. Subcommands are part of their tool's: one page tells all.
fn manual(command: &mut Command, out: &mut dyn Write) -> io::Result<()> {
    // So that subcommands know what they are called by.
    command.build();
    let subcommands: Vec<Command> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
        .cloned()
        .collect();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis(command, &mut page)?;
    man.render_description_section(&mut page)?;
    if subcommands.is_empty() {
        man.render_options_section(&mut page)?;
    }
    for mut sub in subcommands {
        let mut part = Vec::new();
        let about = sub.get_about().map(ToString::to_string);
        let called = sub.get_bin_name().unwrap_or(sub.get_name()).to_uppercase();
        synopsis(&mut sub, &mut part)?;
        let extra = after_help(&sub);
        let man = Man::new(sub);
        man.render_options_section(&mut part)?;
        notes_and_examples(&extra, &mut part)?;
        let part = String::from_utf8_lossy(&part).replace(".SH ", ".SS ");
        writeln!(page, ".SH {called}\n{}\n{part}", about.unwrap_or_default())?;
    }
    notes_and_examples(&after_help(command), &mut page)?;
    man.render_version_section(&mut page)?;
    out.write_all(&page)
}

/// As help has it. That of clap_mangen has a letter for each option, no values, and nothing is
/// mandatory.
fn synopsis(command: &mut Command, out: &mut dyn Write) -> io::Result<()> {
    let usage = command.render_usage().to_string();
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let rest = usage.split_once(name).map_or("", |(_, rest)| rest);
    Roff::new()
        .control("SH", ["SYNOPSIS"])
        .text([bold(name), roman(rest)])
        .to_writer(&mut &mut *out)
}

/// The text below the options.
fn after_help(command: &Command) -> String {
    let text = command.get_after_help();
    text.map(ToString::to_string).unwrap_or_default()
}

/// What help says below the options: paragraphs, and lists, whose items are indented, each with
/// what it means behind a gap or on the next line. One of the lists has the examples. In the
/// manual's narrow lines an item has its meaning below.
fn notes_and_examples(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let (mut notes, mut examples) = (Roff::new(), Roff::new());
    let (mut in_examples, mut goes_on) = (false, true);
    for line in text.lines() {
        let part = if in_examples && line.starts_with(' ') {
            &mut examples
        } else {
            &mut notes
        };
        match (line.trim(), line.len() - line.trim_start().len()) {
            ("Examples:", 0) => in_examples = true,
            ("", _) => (in_examples, goes_on) = (false, false),
            (paragraph, 0) => {
                if !goes_on && *part != Roff::new() {
                    part.control("PP", []);
                }
                part.text([roman(paragraph)]);
                goes_on = true;
            }
            (item, 2) => {
                let (head, meaning) = item.split_once("  ").unwrap_or((item, ""));
                part.control("TP", []).text([bold(head)]);
                if !meaning.is_empty() {
                    part.text([roman(meaning.trim())]);
                }
                goes_on = false;
            }
            (meaning, _) => {
                part.text([roman(meaning)]);
            }
        }
    }
    for (heading, part) in [("NOTES", notes), ("EXAMPLES", examples)] {
        if part != Roff::new() {
            Roff::new()
                .control("SH", [heading])
                .to_writer(&mut &mut *out)?;
            part.to_writer(&mut &mut *out)?;
        }
    }
    Ok(())
}

/// What `--generate man` prints. For tests.
pub fn page<A: CommandFactory>() -> String {
    let mut page = Vec::new();
    Generate::Man
        .to::<A>(&mut page)
        .expect("memory takes all that is written");
    String::from_utf8(page).expect("the manual is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> String {
        let mut out = Vec::new();
        notes_and_examples(text, &mut out).expect("memory takes all that is written");
        let page = String::from_utf8(out).expect("the manual is text");
        // Each part begins by telling groff how to write an apostrophe.
        let preamble = |line: &&str| !line.starts_with(".ie ") && !line.starts_with(".el ");
        page.lines().filter(preamble).collect::<Vec<_>>().join("\n")
    }

    /// They ran together to paragraphs, in which commands broke in the middle.
    #[test]
    fn examples_have_lines_of_their_own() {
        let text = "Examples:
  tool -i eth0    count what comes
  tool -i vale0:a --long
                  and so on,
                  to its end
  tool

It ends.

Or not.";
        let wanted = r".SH NOTES
It ends.
.PP
Or not.
.SH EXAMPLES
.TP
\fBtool \-i eth0\fR
count what comes
.TP
\fBtool \-i vale0:a \-\-long\fR
and so on,
to its end
.TP
\fBtool\fR";
        assert_eq!(lines(text), wanted);
        assert_eq!(lines(""), "");
        assert_eq!(
            lines("Examples:\n  tool"),
            ".SH EXAMPLES\n.TP\n\\fBtool\\fR"
        );
    }

    #[test]
    fn other_lists_are_notes() {
        let text = "A rule is one of
  tcp:22    a port
  0x86dd    a type
All others pass.

Examples:
  tool tcp:22";
        let wanted = r".SH NOTES
A rule is one of
.TP
\fBtcp:22\fR
a port
.TP
\fB0x86dd\fR
a type
.PP
All others pass.
.SH EXAMPLES
.TP
\fBtool tcp:22\fR";
        assert_eq!(lines(text), wanted);
    }
}

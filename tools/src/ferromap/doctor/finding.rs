// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a check has found.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check that has it, in a word.
    pub check: &'static str,
    pub severity: Severity,
    /// What is so, and why it matters.
    pub text: String,
    /// What mends it.
    pub command: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Ok,
    /// It works, but not as one may think, or not as fast as it could.
    Note,
    /// The interface cannot be opened, or no frames will go.
    Problem,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Note => "note",
            Severity::Problem => "problem",
        }
    }
}

impl Finding {
    pub fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Finding::new(check, Severity::Ok, text)
    }

    pub fn note(check: &'static str, text: impl Into<String>) -> Self {
        Finding::new(check, Severity::Note, text)
    }

    pub fn problem(check: &'static str, text: impl Into<String>) -> Self {
        Finding::new(check, Severity::Problem, text)
    }

    fn new(check: &'static str, severity: Severity, text: impl Into<String>) -> Self {
        Finding {
            check,
            severity,
            text: text.into(),
            command: None,
        }
    }

    /// It turned out not to be a problem.
    pub fn soften(&mut self) {
        if self.severity == Severity::Problem {
            self.severity = Severity::Note;
        }
    }

    pub fn mend(mut self, command: String) -> Self {
        self.command = Some(command);
        self
    }

    /// For people: the command has a line of its own, to be copied.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{:<7}  {}", self.severity.name(), self.text)];
        lines.extend(self.command.iter().map(|c| format!("{:<11}{c}", "")));
        lines
    }
}

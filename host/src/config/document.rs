//! A TOML document that knows where its parts are.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// The text of a manifest and what it holds. Problems are noted here, with the
/// place of what they are about.
pub(super) struct Document<'a> {
    text: &'a str,
    path: PathBuf,
    root: Spanned<DeTable<'a>>,
    /// Where each line begins.
    lines: Vec<usize>,
    problems: Vec<Problem>,
    /// Problems that were not noted any more.
    more: usize,
}

/// Nobody reads more of them, and each costs a look for its place.
const MAX_PROBLEMS: usize = 1000;

impl<'a> Document<'a> {
    /// Parses the text. What is no TOML is a problem of the document.
    pub(super) fn parse(path: &Path, text: &'a str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        let (path, problems) = (path.to_owned(), Vec::new());
        let mut document = Self { text, path, root, lines, problems, more: 0 };
        for error in errors {
            // One line for each: what follows are hints of the parser's own.
            let message = error.message().lines().collect::<Vec<_>>().join("; ");
            document.note(error.span().unwrap_or_default(), message);
        }
        document
    }

    pub(super) fn root(&self) -> &Spanned<DeTable<'a>> {
        &self.root
    }

    /// The folder that paths in the document are relative to.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new(""))
    }

    /// Where the value at this path of keys and indexes is; where its table is,
    /// if it is not there.
    pub(super) fn span(&self, keys: &[&str]) -> Range<usize> {
        let Some((last, tables)) = keys.split_last() else { return 0..0 };
        let mut table = self.root.get_ref();
        let mut span = self.root.span();
        for key in tables {
            let Some((name, value)) = table.get_key_value(*key) else { return span };
            span = name.span();
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                DeValue::Array(items) => {
                    let item = last.parse().ok().and_then(|index: usize| items.get(index));
                    return item.map_or_else(|| value.span(), Spanned::span);
                }
                _ => return value.span(),
            }
        }
        match table.get_key_value(*last) {
            // The name of a table says more than where its body begins.
            Some((name, value)) if matches!(value.get_ref(), DeValue::Table(_)) => name.span(),
            Some((_, value)) => value.span(),
            None => span,
        }
    }

    /// Notes what is wrong with the value at this path.
    pub(super) fn problem(&mut self, keys: &[&str], message: impl Into<String>) {
        self.note(self.span(keys), message.into());
    }

    /// Notes what is wrong with this part of the text.
    pub(super) fn note(&mut self, span: Range<usize>, message: String) {
        if self.problems.len() == MAX_PROBLEMS {
            self.more += 1;
            return;
        }
        let line = self.lines.partition_point(|begin| *begin <= span.start);
        let begin = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(begin..span.start).unwrap_or_default();
        let column = before.chars().count() + 1;
        self.problems.push(Problem { line, column, message, path: self.path.clone() });
    }

    pub(super) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// All that was noted, in the order of the file.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort();
        self.problems.dedup();
        if let (1.., Some(last)) = (self.more, self.problems.last()) {
            let message = format!("and {} more mistakes", self.more);
            self.problems.push(Problem { message, ..last.clone() });
        }
        self.problems
    }
}

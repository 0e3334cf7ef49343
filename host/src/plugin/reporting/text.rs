//! Texts of guests, made fit for logs, errors and headers: a guest must not steer
//! the operator's terminal, forge a line, or fill a disk with one text.

/// What is shown of a reason that a guest gives.
const MAX_REASON_CHARS: usize = 2048;

/// What is shown of a backtrace, whose names are the guest's.
const MAX_BACKTRACE_CHARS: usize = 8192;

/// What is shown of a list of names: more leave no room for the rest of the reason.
const MAX_LIST_CHARS: usize = 1200;

/// What is shown of a name in a list.
const MAX_NAME_CHARS: usize = 120;

/// A guest's text on one line of so many characters at most.
pub(in crate::plugin) fn one_line(text: &str, max_chars: usize) -> String {
    cut(text, max_chars, |c| if is_plain(c) { c } else { ' ' })
}

/// Why something went wrong, in the guest's words.
pub(in crate::plugin) fn reason(text: &str) -> String {
    one_line(text, MAX_REASON_CHARS)
}

/// Names of a guest's, as many as there is room for, and how many there are more.
pub(in crate::plugin) fn list(names: &[String]) -> String {
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let name = one_line(name, MAX_NAME_CHARS);
        if index > 0 && text.len() + name.len() > MAX_LIST_CHARS {
            return format!("{text} and {} more", names.len() - index);
        }
        let separator = if index > 0 { ", " } else { "" };
        text.push_str(&format!("{separator}{name}"));
    }
    text
}

/// The guest's calls, one on each line. Lines are indented: one that a name makes
/// must not look like one of the host's.
pub(in crate::plugin) fn backtrace(text: &str) -> String {
    let text = cut(text, MAX_BACKTRACE_CHARS, |c| if is_plain(c) || c == '\n' { c } else { ' ' });
    text.trim_end().replace('\n', "\n  ")
}

/// Neither a control character nor one that shows a text in another order than
/// it is written in.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn cut(text: &str, max_chars: usize, shown: impl Fn(char) -> char) -> String {
    let mut chars = text.chars();
    let mut head: String = chars.by_ref().take(max_chars).map(shown).collect();
    if chars.next().is_some() {
        head.push('…');
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_left_out() {
        assert_eq!(reason("a\x1b[2J\r\nb\u{9b}c\u{202e}d"), "a [2J  b c d");
        assert_eq!(backtrace("a\nb\x1bc\n"), "a\n  b c");
    }

    #[test]
    fn long_list_is_cut_between_names_and_counted() {
        let names = |count: usize| (0..count).map(|n| format!("a:b/c{n}")).collect::<Vec<_>>();
        assert_eq!(list(&names(2)), "a:b/c0, a:b/c1");
        let long = list(&names(1000));
        let shown = long.matches("a:b").count();
        assert!(long.ends_with(&format!(" and {} more", 1000 - shown)), "{long}");
        assert!(long.len() < MAX_LIST_CHARS + 100 && shown > 50, "{long}");
        assert!(list(&["x".repeat(100_000)]).len() < 200);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(one_line("äöü", 3), "äöü");
        assert_eq!(one_line("äöü", 2), "äö…");
        assert!(reason(&"x".repeat(100_000_000)).len() < 3000);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names of ports, which may be any bytes, as the module's files have them.

/// The name that a word of debugfs stands for: there, what could not be part of a word is three
/// octal digits behind a `\`, as in `/proc/mounts`.
pub fn of_word(word: &str) -> String {
    let mut rest = word.as_bytes();
    let mut name = Vec::new();
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\');
        match octal.and_then(byte) {
            Some(byte) => {
                name.push(byte);
                rest = &after[3..];
            }
            None => {
                name.push(*first);
                rest = after;
            }
        }
    }
    shown(&name)
}

fn byte(octal: &[u8]) -> Option<u8> {
    let digits = octal.iter().all(|digit| (b'0'..=b'7').contains(digit));
    let octal = std::str::from_utf8(octal).ok().filter(|_| digits)?;
    u8::from_str_radix(octal, 8).ok()
}

/// The name as the module shows it in fdinfo and in its sentences, and as people see it here.
fn shown(name: &[u8]) -> String {
    let mut out = String::new();
    for &byte in name {
        match byte {
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b' '..=b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// Whether `shown` is the port that people ask for by `asked`: as it is, or as they see it.
pub fn is(shown: &str, asked: &str) -> bool {
    shown == asked || shown == self::shown(asked.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_for_names() {
        for (word, name) in [
            ("vale0:a", "vale0:a"),
            ("vale0:a\\040b", "vale0:a b"),
            ("\\134x41\\040", "\\x41 "),
            ("\\303\\274\\377", "\\xc3\\xbc\\xff"),
            ("\\012\\033[2J", "\\n\\x1b[2J"),
            // No byte, and no three digits.
            ("\\777\\08\\4", "\\777\\08\\4"),
            ("\\+12\\ü12", "\\+12\\\\xc3\\xbc12"),
        ] {
            assert_eq!(of_word(word), name, "{word}");
        }
    }

    #[test]
    fn ports_are_found_by_what_they_are_called_and_by_what_is_shown() {
        assert!(is("vale0:\\xc3\\xbc", "vale0:ü") && is("vale0:\\xff", "vale0:\\xff"));
        assert!(is("vale0:a b", "vale0:a b") && !is("vale0:a", "vale0:b"));
    }
}

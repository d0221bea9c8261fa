//! What a viewer is shown in the place of values: variables of containers and images, and
//! build arguments, hold passwords and keys.

use super::guard::Caller;
use access::Permission;

const MASKED: &str = "***";
/// Shorter values are left in texts, where they are more likely to be part of a word.
const SHORTEST: usize = 4;

/// Whether the caller may see values at all.
pub(super) fn sees_values(caller: &Caller) -> bool {
    caller.identity.may(Permission::Operate)
}

/// `NAME=value` without the value.
pub(super) fn variable(entry: &str) -> String {
    match entry.split_once('=') {
        Some((name, _)) => format!("{name}={MASKED}"),
        None => entry.to_owned(),
    }
}

/// The values of variables, to be masked in instructions where they were inserted.
#[derive(Debug, Default)]
pub(super) struct Values(Vec<String>);

impl Values {
    pub(super) fn of_variables<'a>(entries: impl IntoIterator<Item = &'a String>) -> Self {
        let values = entries.into_iter().filter_map(|entry| entry.split_once('='));
        let mut values: Vec<String> = values
            .map(|(_, value)| value.to_owned())
            .filter(|value| value.len() >= SHORTEST)
            .collect();
        // The longest first, so that no part of one is left.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self(values)
    }

    /// An instruction of a Dockerfile or of an image's history, without values: of `ENV` and
    /// `ARG` the first name is left, of the arguments in front of a command (`|1 A=b …`) none.
    pub(super) fn masked(&self, instruction: &str) -> String {
        let text = without_definitions(instruction);
        self.0
            .iter()
            .fold(text, |text, value| text.replace(value.as_str(), MASKED))
    }
}

fn without_definitions(instruction: &str) -> String {
    const NO_OPERATION: &str = "#(nop)";
    const SHELL: &str = " /bin/sh -c ";
    // Only directly behind the shell: a command or a value may contain it too.
    let is_marker = |at: &usize| {
        let before = &instruction[..*at];
        !before.contains(['=', '|']) && (before.is_empty() || before.trim_end().ends_with("-c"))
    };
    let begin = instruction
        .find(NO_OPERATION)
        .filter(is_marker)
        .map_or(0, |at| at + NO_OPERATION.len());
    let (front, rest) = instruction.split_at(begin);
    let lead = rest.len() - rest.trim_start().len();
    let (blank, rest) = rest.split_at(lead);
    let (keyword, operands) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if keyword.eq_ignore_ascii_case("ENV") || keyword.eq_ignore_ascii_case("ARG") {
        let operands = operands.trim_start();
        let end = operands.find(|c: char| c == '=' || c.is_whitespace());
        return match end {
            Some(end) => format!("{front}{blank}{keyword} {}={MASKED}", &operands[..end]),
            None => format!("{front}{blank}{keyword} {operands}"),
        };
    }
    let arguments = if keyword.eq_ignore_ascii_case("RUN") {
        operands.trim_start()
    } else {
        rest
    };
    let Some(counted) = arguments.strip_prefix('|') else {
        return instruction.to_owned();
    };
    let before = &instruction[..instruction.len() - arguments.len()];
    let count: String = counted.chars().take_while(char::is_ascii_digit).collect();
    // From the right: an argument's value may contain these words, too.
    let command = counted.rsplit_once(SHELL).map_or("", |(_, command)| command);
    format!("{before}|{count} {MASKED}{SHELL}{command}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_keep_their_name_and_lose_their_value() {
        let values = Values::default();
        for (text, masked) in [
            ("ENV A=secret", "ENV A=***"),
            ("env A secret more", "env A=***"),
            ("ENV A=\"x y\" B=secret", "ENV A=***"),
            ("ARG A", "ARG A"),
            ("ARG A=secret", "ARG A=***"),
            ("/bin/sh -c #(nop)  ENV A=secret", "/bin/sh -c #(nop)  ENV A=***"),
            ("RUN |2 A=secret B=x y /bin/sh -c make", "RUN |2 *** /bin/sh -c make"),
            ("|1 A=secret /bin/sh -c make", "|1 *** /bin/sh -c make"),
            ("|1 A=secret /bin/bash -c make", "|1 *** /bin/sh -c "),
            ("RUN make", "RUN make"),
            ("CMD [\"ENV\"]", "CMD [\"ENV\"]"),
            ("", ""),
        ] {
            assert_eq!(values.masked(text), masked, "{text}");
        }
    }

    #[test]
    fn values_of_variables_are_masked_wherever_they_were_inserted() {
        let variables = ["A=secret", "B=secret-too", "C=x", "D"].map(str::to_owned);
        let values = Values::of_variables(&variables);
        assert_eq!(
            values.masked("LABEL x=secret-too y=secret z=x"),
            "LABEL x=*** y=*** z=x"
        );
        assert_eq!(variable("A=b=c"), "A=***");
        assert_eq!(variable("A"), "A");
    }
}

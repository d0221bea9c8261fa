//! Lines of a Dockerfile that change what containers begin with: `CMD ["sh"]`.

use super::document::ContainerConfig;
use crate::ImageError;
use serde_json::json;

/// Applies the lines in order.
///
/// # Errors
/// A line that is none of CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL,
/// USER, VOLUME and WORKDIR, or says nothing.
pub fn apply(config: &mut ContainerConfig, lines: &[String]) -> Result<(), ImageError> {
    for line in lines {
        apply_line(config, line).ok_or_else(|| ImageError::Change(line.clone()))?;
    }
    Ok(())
}

fn apply_line(config: &mut ContainerConfig, line: &str) -> Option<()> {
    let (word, rest) = line.trim().split_once(char::is_whitespace)?;
    let rest = rest.trim();
    match word.to_ascii_uppercase().as_str() {
        "CMD" => config.cmd = Some(command(rest)),
        "ENTRYPOINT" => config.entrypoint = Some(command(rest)),
        "USER" => rest.clone_into(&mut config.user),
        "WORKDIR" => config.working_dir = below(&config.working_dir, rest),
        "STOPSIGNAL" => config.stop_signal = Some(rest.to_owned()),
        "ONBUILD" => config.on_build.push(rest.to_owned()),
        "ENV" => {
            for (name, value) in pairs(rest)? {
                let entry = format!("{name}={value}");
                let same = |held: &&mut String| held.split_once('=').is_some_and(|(held, _)| held == name);
                match config.env.iter_mut().find(same) {
                    Some(held) => *held = entry,
                    None => config.env.push(entry),
                }
            }
        }
        "LABEL" => config.labels.extend(pairs(rest)?),
        "EXPOSE" => {
            for port in words(rest)? {
                let port = if port.contains('/') {
                    port
                } else {
                    format!("{port}/tcp")
                };
                config.exposed_ports.insert(port, json!({}));
            }
        }
        "VOLUME" => {
            let paths = serde_json::from_str::<Vec<String>>(rest).ok().or_else(|| words(rest))?;
            config.volumes.extend(paths.into_iter().map(|path| (path, json!({}))));
        }
        _ => return None,
    }
    Some(())
}

/// A JSON list as it is, else a line for the shell.
fn command(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()])
}

/// A relative path counts from the one before.
fn below(before: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{}/{path}", before.trim_end_matches('/'))
    }
}

/// `a=1 b="x y"`, or the old `a value to the end`.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let words = words(text)?;
    if words.first()?.contains('=') {
        let pairs = words.iter().map(|word| word.split_once('='));
        return pairs
            .map(|pair| pair.map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect();
    }
    let (name, value) = text.split_once(char::is_whitespace)?;
    Some(vec![(name.to_owned(), value.trim().to_owned())])
}

/// Words as a shell would part them, quotes taken away. `None` when a quote is open.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), _) if letter == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().push(letters.next()?),
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_in_a_dockerfile() {
        let lines = [
            "CMD [\"sh\"]",
            "ENV A=1 C='x y'",
            "env B 2 and more",
            "ENV A=3",
            "EXPOSE 80 53/udp",
            "LABEL x=\"y z\"",
            "VOLUME [\"/data\"]",
            "WORKDIR /srv",
            "WORKDIR app",
            "ONBUILD RUN make",
            "ENTRYPOINT run it",
        ];
        let mut config = ContainerConfig::default();
        apply(&mut config, &lines.map(str::to_owned)).unwrap();
        assert_eq!(config.cmd.unwrap(), ["sh"]);
        assert_eq!(config.env, ["A=3", "C=x y", "B=2 and more"]);
        assert_eq!(config.exposed_ports.keys().collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
        assert_eq!(config.labels["x"], "y z");
        assert_eq!(config.volumes.len(), 1);
        assert_eq!(config.working_dir, "/srv/app");
        assert_eq!(config.on_build, ["RUN make"]);
        assert_eq!(config.entrypoint.unwrap(), ["/bin/sh", "-c", "run it"]);
    }

    #[test]
    fn a_line_that_changes_nothing_of_an_image_is_refused() {
        for line in ["RUN rm", "CMD", "LABEL x=\"open", ""] {
            let mut config = ContainerConfig::default();
            assert!(apply(&mut config, &[line.to_owned()]).is_err(), "{line}");
        }
    }
}

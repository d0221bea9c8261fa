//! What the driver `json-file` adds to each line for `docker logs --details`: labels and
//! variables of the container, and a tag.

use crate::docker::problem::Failure;
use engine::Container;
use model::container::spec::LogDriver;
use regex::Regex;
use std::collections::BTreeMap;

const OPTIONS: [&str; 5] = ["labels", "labels-regex", "env", "env-regex", "tag"];
/// What Docker calls its daemon in a tag.
const DAEMON_NAME: &str = "docker";

pub(super) fn is_option(name: &str) -> bool {
    OPTIONS.contains(&name)
}

/// # Errors
/// A pattern or a template that cannot be read.
pub(super) fn check(name: &str, value: &str) -> Result<(), Failure> {
    match name {
        "labels-regex" | "env-regex" => Regex::new(value)
            .map(drop)
            .map_err(|_| Failure::invalid(format!("log option {name}: '{value}' is not a regular expression"))),
        "tag" => expand(value, |_| Some(String::new())).map(drop),
        _ => Ok(()),
    }
}

/// `name=value,name=value`, encoded as in a URL; empty where nothing was asked for.
pub(super) fn of(container: &Container) -> String {
    let Some(driver) = &container.spec.log.driver else {
        return String::new();
    };
    let mut details = BTreeMap::new();
    let env = container
        .spec
        .process
        .env
        .iter()
        .filter_map(|entry| entry.split_once('='));
    choose(driver, "env", env, &mut details);
    let labels = container.spec.labels.iter();
    let labels = labels.map(|(name, value)| (name.as_str(), value.as_str()));
    choose(driver, "labels", labels, &mut details);
    let tag = option(driver, "tag").and_then(|template| expand(template, |field| value(container, field)).ok());
    if let Some(tag) = tag.filter(|tag| !tag.is_empty()) {
        details.insert("tag".to_owned(), tag);
    }
    let pairs = details
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn option<'d>(driver: &'d LogDriver, name: &str) -> Option<&'d str> {
    let mut options = driver.options.iter();
    options
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

/// Those named by the option `what`, and those that fit the pattern of `what-regex`.
fn choose<'a>(
    driver: &LogDriver,
    what: &str,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    details: &mut BTreeMap<String, String>,
) {
    let names: Vec<&str> = option(driver, what).unwrap_or_default().split(',').collect();
    let pattern = option(driver, &format!("{what}-regex")).and_then(|text| Regex::new(text).ok());
    for (name, value) in pairs {
        if names.contains(&name) || pattern.as_ref().is_some_and(|pattern| pattern.is_match(name)) {
            details.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// Replaces `{{.Field}}`, Go's template for a field; other actions are refused.
fn expand(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, Failure> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let refused = || {
            Failure::invalid(format!(
                "log option tag: the template '{template}' cannot be read; use fields such as {{{{.Name}}}} and {{{{.ID}}}}"
            ))
        };
        let (action, after) = after.split_once("}}").ok_or_else(refused)?;
        let field = action.trim().strip_prefix('.').ok_or_else(refused)?;
        if !FIELDS.contains(&field) {
            return Err(refused());
        }
        text.push_str(before);
        text.push_str(&value(field).unwrap_or_default());
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

const FIELDS: [&str; 12] = [
    "ID",
    "FullID",
    "ContainerID",
    "Name",
    "ContainerName",
    "ImageID",
    "ImageFullID",
    "ContainerImageID",
    "ImageName",
    "ContainerImageName",
    "DaemonName",
    "Command",
];

fn value(container: &Container, field: &str) -> Option<String> {
    /// As Docker shortens an id, an image's with the name of its algorithm.
    const SHORT: usize = 12;
    let (id, spec) = (container.id.as_str(), &container.spec);
    let image_id = spec.image.id.as_str();
    Some(match field {
        "ID" => id[..SHORT].to_owned(),
        "FullID" | "ContainerID" => id.to_owned(),
        "Name" => spec.name.as_str().to_owned(),
        "ContainerName" => format!("/{}", spec.name),
        "ImageID" => image_id[..SHORT].to_owned(),
        "ImageFullID" | "ContainerImageID" => image_id.to_owned(),
        "ImageName" | "ContainerImageName" => super::show::image_name(&spec.image.reference),
        "DaemonName" => DAEMON_NAME.to_owned(),
        "Command" => spec.process.arguments().join(" "),
        _ => return None,
    })
}

/// As Go's `url.QueryEscape` writes it.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            b' ' => "+".to_owned(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_its_fields_replaced_and_others_are_refused() {
        let expand = |template| expand(template, |field| Some(field.to_lowercase()));
        assert_eq!(expand("plain").expect("valid"), "plain");
        assert_eq!(expand("{{.Name}}/{{ .ID }}").expect("valid"), "name/id");
        for template in ["{{.Nothing}}", "{{.Name", "{{Name}}", "{{.Name | printf}}"] {
            assert!(expand(template).is_err(), "{template}");
        }
    }

    #[test]
    fn details_are_encoded_as_docker_has_them() {
        assert_eq!(escape("a b/c~d=%"), "a+b%2Fc~d%3D%25");
    }
}

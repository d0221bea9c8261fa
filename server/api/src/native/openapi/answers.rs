//! What operations have in common: names that are unique, what an answer means, and every
//! problem that can be told instead of it.

use utoipa::openapi::content::Content;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{OpenApi, Ref, RefOr};

/// What stands before the operations of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::native) enum Before {
    /// Anybody may ask.
    Nothing,
    /// Whoever is known may ask, for what is their own.
    Account,
    /// The caller's role is looked at.
    Role,
}

/// Problems by status, as components.
const PROBLEMS: [(u16, &str, &str); 15] = [
    (400, "Unreadable", "The address, a header or the body cannot be read."),
    (
        401,
        "Unknown",
        "It needs a signed-in session or a token, or what was given is wrong.",
    ),
    (
        403,
        "Forbidden",
        "The caller's role does not suffice, or a page of another site asks.",
    ),
    (404, "Missing", "What the address or the body names is not there."),
    (408, "Late", "The request did not come in time."),
    (
        409,
        "Conflict",
        "What is named is in a state that does not allow it, or a name is taken.",
    ),
    (413, "TooLarge", "The body is larger than is read."),
    (415, "OtherMedia", "The body is of a kind that is not read here."),
    (
        421,
        "OtherHost",
        "The server is not known under the name it was asked by.",
    ),
    (
        422,
        "Invalid",
        "Fields have mistakes: each is named in `mistakes`. Or what was asked for failed.",
    ),
    (
        429,
        "TooOften",
        "Too many attempts: `Retry-After` tells when the next is looked at.",
    ),
    (500, "Failed", "It was asked for rightly, and failed on this host."),
    (502, "Unreachable", "A registry does not answer, or refuses."),
    (503, "Ending", "The server ends."),
    (504, "TimedOut", "It took too long."),
];
/// Whose operations may ask a registry.
const WITH_REGISTRY: [&str; 3] = ["images", "registries", "builds"];

/// The answers that operations refer to.
pub(super) fn components() -> impl Iterator<Item = (&'static str, Response)> {
    PROBLEMS
        .map(|(_, name, description)| (name, problem(description)))
        .into_iter()
}

fn problem(description: &str) -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", Content::new(Some(schema)))
        .build()
}

/// Adds to every operation what all operations of its kind have in common.
pub(in crate::native) fn complete(document: &mut OpenApi, before: Before) {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(id(method, path));
            describe(operation);
            for status in problems(method, operation, before) {
                add(operation, status);
            }
        }
    }
}

pub(super) fn add(operation: &mut Operation, status: u16) {
    let Some((_, name, _)) = PROBLEMS.iter().find(|(known, ..)| *known == status) else {
        return;
    };
    let answers = &mut operation.responses.responses;
    answers
        .entry(status.to_string())
        .or_insert_with(|| RefOr::Ref(Ref::new(format!("#/components/responses/{name}"))));
}

pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("patch", &mut item.patch),
        ("delete", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// A unique operation id, such as `get_containers_id_logs`.
pub(super) fn id(method: &str, path: &str) -> String {
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

fn describe(operation: &mut Operation) {
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        if answer.description.is_empty() {
            let description = match status.as_str() {
                "201" => "Created.",
                "202" => "Accepted; a task does the work.",
                "204" => "Done; the answer has no content.",
                _ => "The requested document.",
            };
            description.clone_into(&mut answer.description);
        }
        for (kind, content) in &mut answer.content {
            leave_bytes(kind, content);
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for (kind, content) in &mut body.content {
            leave_bytes(kind, content);
        }
    }
}

/// An archive is binary content, not an array of numbers.
fn leave_bytes(kind: &str, content: &mut RefOr<Content>) {
    if let RefOr::T(content) = content
        && kind == "application/x-tar"
    {
        content.schema = None;
    }
}

fn problems(method: &str, operation: &Operation, before: Before) -> Vec<u16> {
    let reads = method == "get";
    let parameters = operation.parameters.iter().flatten();
    let places: Vec<&ParameterIn> = parameters
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(&parameter.parameter_in),
            RefOr::Ref(_) => None,
        })
        .collect();
    let names_something = places.contains(&&ParameterIn::Path);
    let body = match &operation.request_body {
        Some(RefOr::T(body)) => Some(body),
        _ => None,
    };
    let mut statuses = vec![421, 500];
    if before != Before::Nothing {
        statuses.extend([401, 403, 503]);
    }
    if !places.is_empty() || body.is_some() {
        statuses.extend([400, 422]);
    }
    if names_something {
        statuses.extend([404, 409]);
    }
    if let Some(body) = body {
        statuses.push(413);
        if body.content.contains_key("application/json") {
            statuses.push(415);
        }
    }
    if !reads {
        // Anything may be named in a body, too.
        statuses.extend([403, 404, 409, 422]);
    }
    match before {
        Before::Nothing => {
            statuses.push(408);
            if !reads {
                statuses.extend([401, 429, 503]);
            }
        }
        Before::Account if !reads => statuses.push(429),
        Before::Account => {}
        Before::Role => {
            if !reads {
                statuses.push(504);
            }
            let tags = operation.tags.iter().flatten();
            if tags.into_iter().any(|tag| WITH_REGISTRY.contains(&tag.as_str())) {
                statuses.extend([502, 504]);
            }
        }
    }
    statuses
}

//! Completes the operations of the OpenAPI document: unique operation ids, descriptions of
//! responses, and the problem responses of each operation.

use utoipa::openapi::content::Content;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{OpenApi, Ref, RefOr};

/// Which access check runs before the operations of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::native) enum Before {
    /// No sign-in required.
    Nothing,
    /// Any signed-in user, for their own account.
    Account,
    /// The role of the user is checked.
    Role,
}

/// Problems by status, as components.
const PROBLEMS: [(u16, &str, &str); 15] = [
    (400, "Unreadable", "The URL, a header or the body is malformed."),
    (
        401,
        "Unknown",
        "A session or a token is required, or the given credentials are invalid.",
    ),
    (
        403,
        "Forbidden",
        "The role of the user is not sufficient, or the request comes from another site.",
    ),
    (404, "Missing", "An object named in the URL or the body does not exist."),
    (408, "Late", "The request was not received in time."),
    (
        409,
        "Conflict",
        "The state of the object does not allow the operation, or a name is already in use.",
    ),
    (413, "TooLarge", "The body exceeds the size limit."),
    (
        415,
        "OtherMedia",
        "The media type of the body is not supported by this operation.",
    ),
    (
        421,
        "OtherHost",
        "The host name of the request is not an allowed name of this server.",
    ),
    (
        422,
        "Invalid",
        "Fields are invalid, each listed in `mistakes`; or the requested operation failed.",
    ),
    (429, "TooOften", "Too many attempts. `Retry-After` says when to retry."),
    (
        500,
        "Failed",
        "The request is valid, but the operation failed on this host.",
    ),
    (
        502,
        "Unreachable",
        "A registry does not respond or refuses the request.",
    ),
    (503, "Ending", "The server is shutting down."),
    (504, "TimedOut", "The operation timed out."),
];
/// Tags whose operations may access a registry.
const WITH_REGISTRY: [&str; 3] = ["images", "registries", "builds"];

/// The responses that operations refer to.
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

/// Adds the operation id, descriptions and problem responses to every operation.
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
                "202" => "Accepted. The operation continues as a task.",
                "204" => "Done. The response has no content.",
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
        // A body may name any object, too.
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

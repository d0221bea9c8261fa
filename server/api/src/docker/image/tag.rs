//! `POST /images/{name}/tag` and `…/push`

use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use engine::Engine;
use model::image::Reference;

/// As for what is read: the verb stands behind the last slash.
pub(in crate::docker) async fn by_suffix(
    State(engine): State<Engine>,
    Path(path): Path<String>,
    query: Query,
    request: Request,
) -> Result<Response, Failure> {
    match path.rsplit_once('/') {
        Some((name, "tag")) => {
            let repository = query
                .get("repo")
                .ok_or_else(|| Failure::invalid("repository name must have at least one component"))?;
            let reference = reference(repository, query.get("tag"))?;
            engine.tag(name, reference).await?;
            Ok(StatusCode::CREATED.into_response())
        }
        Some((name, "push")) => super::push::push(engine, name, &query, request.headers()).await,
        _ => Err(Failure::not_there(request.method(), request.uri().path())),
    }
}

/// A repository, and a tag or digest that is told beside it.
pub(in crate::docker) fn reference(repository: &str, tag: Option<&str>) -> Result<Reference, Failure> {
    let text = match tag {
        None => repository.to_owned(),
        Some(digest) if digest.starts_with("sha256:") => format!("{repository}@{digest}"),
        Some(tag) => format!("{repository}:{tag}"),
    };
    Reference::parse(&text).map_err(|error| Failure::invalid(format!("invalid reference format: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_or_a_digest_is_joined_to_its_repository() {
        let read = |repository, tag| reference(repository, tag).map(|reference| reference.short());
        assert_eq!(read("busybox", None).expect("valid"), "busybox:latest");
        assert_eq!(read("busybox", Some("1.36")).expect("valid"), "busybox:1.36");
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(
            read("busybox", Some(&digest)).expect("valid"),
            format!("busybox@{digest}")
        );
        assert!(read("Busybox", None).is_err());
    }
}

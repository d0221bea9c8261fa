//! Reading requests, with problem documents for what cannot be read.

use super::problem::{Answer, Failure};
use axum::extract::{FromRequest, FromRequestParts};

/// A JSON body.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Failure))]
pub(super) struct Json<T>(pub(super) T);

/// The part of the address behind `?`.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Failure))]
pub(super) struct Query<T>(pub(super) T);

/// A number of the query: `usual` unless given, and a mistake beyond `allowed`.
pub(super) fn within<T: PartialOrd + std::fmt::Display>(
    field: &str,
    asked: Option<T>,
    usual: T,
    allowed: std::ops::RangeInclusive<T>,
) -> Answer<T> {
    let asked = asked.unwrap_or(usual);
    if allowed.contains(&asked) {
        return Ok(asked);
    }
    let (least, most) = allowed.into_inner();
    Err(Failure::mistake(field, format!("it is between {least} and {most}")))
}

/// The named parts of the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Failure))]
pub(super) struct Path<T>(pub(super) T);

//! The panel's files: compressed forms by what the client reads, kept for ever
//! where the name holds a hash, asked for again otherwise.

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, VARY,
};
use axum::http::{Response, StatusCode};
use std::borrow::Cow;
use std::fmt::Write as _;

/// One file, as the program carries it.
#[derive(Debug, Clone)]
pub struct File {
    pub media_type: String,
    /// SHA-256 of the bytes.
    pub hash: [u8; 32],
    pub bytes: Cow<'static, [u8]>,
}

/// Finds a file by its path below the panel's root.
pub type Files = fn(&str) -> Option<File>;

const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
const PAGE: &str = "index.html";

/// Answers a path of the panel. Whatever is no file is a page of the panel's own
/// router, so it gets the one page there is.
pub(crate) fn answer(files: Files, path: &str, headers: &HeaderMap) -> Response<Body> {
    let path = path.trim_start_matches('/');
    let is_asset = path.starts_with("assets/");
    let path = if is_asset || (!path.is_empty() && files(path).is_some()) {
        path
    } else {
        PAGE
    };
    let Some(plain) = files(path) else {
        return missing(is_asset);
    };
    let (file, encoding) = best_form(files, path, headers).unwrap_or((plain.clone(), None));
    let tag = tag_of(&file.hash);
    let mut response = Response::new(Body::empty());
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = Body::from(bytes(file.bytes));
    }
    let set = response.headers_mut();
    if let Ok(media_type) = HeaderValue::from_str(&with_charset(&plain.media_type)) {
        set.insert(CONTENT_TYPE, media_type);
    }
    if let Some(encoding) = encoding {
        set.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        set.insert(ETAG, tag);
    }
    set.insert(VARY, HeaderValue::from_static("accept-encoding"));
    set.insert(CACHE_CONTROL, if is_asset { FOR_EVER } else { ASK_AGAIN });
    response
}

fn bytes(bytes: Cow<'static, [u8]>) -> Bytes {
    match bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    }
}

/// Text is UTF-8, and says so.
fn with_charset(media_type: &str) -> Cow<'_, str> {
    if media_type.starts_with("text/") {
        Cow::Owned(format!("{media_type}; charset=utf-8"))
    } else {
        Cow::Borrowed(media_type)
    }
}

fn best_form(files: Files, path: &str, headers: &HeaderMap) -> Option<(File, Option<&'static str>)> {
    let accepted = headers.get(ACCEPT_ENCODING)?.to_str().ok()?;
    let accepts = |name: &str| {
        accepted.split(',').any(|one| {
            let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
            coding.trim() == name && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
        })
    };
    [("br", "br"), ("gzip", "gz")]
        .into_iter()
        .find_map(|(coding, extension)| {
            let file = accepts(coding).then(|| files(&format!("{path}.{extension}")))??;
            Some((file, Some(coding)))
        })
}

fn tag_of(hash: &[u8; 32]) -> String {
    let mut tag = String::from("\"");
    for byte in &hash[..12] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

fn missing(is_asset: bool) -> Response<Body> {
    let text = if is_asset {
        "There is no such file; the panel may have been updated: load the page anew.\n"
    } else {
        "This build carries no panel. Build it with `cargo xtask build`; the API is under /api/v1.\n"
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(path: &str) -> Option<File> {
        let (media_type, text) = match path {
            "index.html" => ("text/html", "page"),
            "assets/1/app.wasm" => ("application/wasm", "code"),
            "assets/1/app.wasm.br" => ("application/octet-stream", "c"),
            _ => return None,
        };
        let mut hash = [0; 32];
        hash[..text.len()].copy_from_slice(text.as_bytes());
        Some(File {
            media_type: media_type.to_owned(),
            hash,
            bytes: Cow::Borrowed(text.as_bytes()),
        })
    }

    fn with(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a header"))])
    }

    #[test]
    fn a_page_of_the_panels_router_is_the_one_page_and_is_asked_for_again() {
        let answer = answer(files, "/containers/web", &HeaderMap::new());
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(answer.headers()[CACHE_CONTROL], ASK_AGAIN);
    }

    #[test]
    fn an_asset_comes_compressed_under_its_own_type_and_is_kept() {
        let answer = answer(files, "/assets/1/app.wasm", &with(ACCEPT_ENCODING, "gzip, br;q=0.9"));
        assert_eq!(answer.headers()[CONTENT_ENCODING], "br");
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/wasm");
        assert_eq!(answer.headers()[CACHE_CONTROL], FOR_EVER);
    }

    #[test]
    fn an_asset_that_is_gone_is_no_page() {
        assert_eq!(
            answer(files, "/assets/0/app.wasm", &HeaderMap::new()).status(),
            StatusCode::NOT_FOUND
        );
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let tag = answer(files, "/", &HeaderMap::new()).headers()[ETAG].clone();
        let again = answer(files, "/", &with(IF_NONE_MATCH, tag.to_str().expect("text")));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
}

//! Blobs and manifests to a registry: distribution-spec, "Push".

use super::client::{Ask, Registry, header};
use crate::ImageError;
use bytes::Bytes;
use futures_util::Stream;
use model::image::Digest;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION, RANGE};
use reqwest::{Body, Method, Response, StatusCode, Url};
use std::io;

pub(super) const DIGEST_HEADER: HeaderName = HeaderName::from_static("docker-content-digest");
const SUBJECT_HEADER: HeaderName = HeaderName::from_static("oci-subject");
const BYTES: &str = "application/octet-stream";

/// What came of asking for a blob to be taken over from another repository.
#[derive(Debug)]
pub(crate) enum Mount {
    Done,
    /// It has to be sent; the registry waits for it here.
    Begun(Upload),
}

/// An upload that the registry waits for.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    place: Url,
}

impl Registry {
    pub(crate) async fn has_blob(&self, digest: &Digest) -> Result<bool, ImageError> {
        let ask = Ask::new(Method::HEAD, self.own_url(&format!("blobs/{digest}"))?);
        let response = self.answer(&ask).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(false),
            _ => self.judge(response).await.map(|_| true),
        }
    }

    /// "Mounting a blob from another repository".
    pub(crate) async fn mount(&self, digest: &Digest, from: &str) -> Result<Mount, ImageError> {
        let mut url = self.own_url("blobs/uploads/")?;
        url.query_pairs_mut()
            .append_pair("mount", digest.as_str())
            .append_pair("from", from);
        let response = self
            .ask(&Ask::new(Method::POST, url).header(CONTENT_LENGTH, "0"))
            .await?;
        match response.status() {
            StatusCode::CREATED => Ok(Mount::Done),
            _ => self.upload_of(&response).await.map(Mount::Begun),
        }
    }

    pub(crate) async fn begin_upload(&self) -> Result<Upload, ImageError> {
        let ask = Ask::new(Method::POST, self.own_url("blobs/uploads/")?).header(CONTENT_LENGTH, "0");
        let response = self.ask(&ask).await?;
        self.upload_of(&response).await
    }

    /// Sends the bytes from `offset` to the end at `size`, in one piece; gives where it
    /// goes on.
    pub(crate) async fn send(
        &self,
        upload: &Upload,
        offset: u64,
        size: u64,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static,
    ) -> Result<Upload, ImageError> {
        let client = self.client_for(&upload.place).await?;
        let mut request = client
            .patch(upload.place.clone())
            .header(CONTENT_TYPE, BYTES)
            .header(CONTENT_LENGTH, size - offset)
            .header(CONTENT_RANGE, format!("{offset}-{}", size.saturating_sub(1)))
            .body(Body::wrap_stream(bytes));
        if let Some(authorization) = self.authorization().filter(|_| self.is_home(&upload.place)) {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status() == StatusCode::UNAUTHORIZED && self.is_home(&upload.place) {
            // The token ran out; what comes next is sent with a new one.
            self.let_in(&response).await?;
            return Err(ImageError::Unreachable {
                registry: self.host().to_owned(),
                reason: "the token ran out".to_owned(),
            });
        }
        let response = self.judge(response).await?;
        self.upload_of(&response).await
    }

    /// How much of it is there: "Getting the progress of an upload".
    pub(crate) async fn sent(&self, upload: &Upload) -> Result<(u64, Upload), ImageError> {
        let response = self.ask(&Ask::new(Method::GET, upload.place.clone())).await?;
        let reached = header(response.headers(), &RANGE).and_then(|range| {
            range
                .trim_start_matches("bytes=")
                .rsplit_once('-')?
                .1
                .parse::<u64>()
                .ok()
        });
        // `0-0` is nothing or one byte; nothing is the safe reading.
        let bytes = reached.filter(|last| *last > 0).map_or(0, |last| last + 1);
        let upload = self.upload_of(&response).await.unwrap_or_else(|_| upload.clone());
        Ok((bytes, upload))
    }

    /// Closes it: the registry compares the digest.
    pub(crate) async fn finish_upload(&self, upload: &Upload, digest: &Digest) -> Result<(), ImageError> {
        let mut url = upload.place.clone();
        url.query_pairs_mut().append_pair("digest", digest.as_str());
        let ask = Ask::new(Method::PUT, url)
            .header(CONTENT_TYPE, BYTES)
            .header(CONTENT_LENGTH, "0");
        self.ask(&ask).await.map(drop)
    }

    /// Asks the registry to forget what was sent of it.
    pub(crate) async fn cancel_upload(&self, upload: &Upload) {
        let ask = Ask::new(Method::DELETE, upload.place.clone());
        if let Err(error) = self.answer(&ask).await {
            tracing::debug!(%error, "an upload cannot be cancelled");
        }
    }

    /// Puts a manifest under a tag or its digest. Whether the registry lists it among what
    /// refers to its subject: distribution-spec, "Pushing Manifests with Subject".
    pub(crate) async fn put_manifest(
        &self,
        name: &str,
        media_type: &str,
        json: Vec<u8>,
        digest: &Digest,
    ) -> Result<bool, ImageError> {
        let mut ask =
            Ask::new(Method::PUT, self.own_url(&format!("manifests/{name}"))?).header(CONTENT_TYPE, media_type);
        ask.body = Some(json);
        let response = self.ask(&ask).await?;
        let found = header(response.headers(), &DIGEST_HEADER).and_then(|text| Digest::parse(&text).ok());
        match found {
            Some(found) if found != *digest => Err(ImageError::Digest {
                what: "the manifest, as the registry has it,",
                expected: digest.clone(),
                found,
            }),
            _ => Ok(response.headers().contains_key(SUBJECT_HEADER)),
        }
    }

    async fn upload_of(&self, response: &Response) -> Result<Upload, ImageError> {
        let location = header(response.headers(), &LOCATION).unwrap_or_default();
        let refused = || ImageError::Redirect {
            registry: self.host().to_owned(),
            to: location.clone(),
        };
        let place = response.url().join(&location).map_err(|_| refused())?;
        if location.is_empty() {
            return Err(refused());
        }
        self.check_step(response.url(), &place).await?;
        Ok(Upload { place })
    }
}

//! Files by their address, fetched with the same care as blobs: bounded in time and
//! size, and never led by a redirection from outside to the inside of a network.

use crate::registry::leads_inside as leads_host_inside;
use crate::{ImageError, Store};
use model::image::Digest;
use reqwest::header::{LAST_MODIFIED, LOCATION};
use reqwest::{Response, Url};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

/// However slowly it comes, it does not come for longer.
const LIMIT: Duration = Duration::from_secs(3600);

/// So often somebody may send us on.
const STEPS: usize = 10;

/// A file that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    pub digest: Digest,
    pub bytes: u64,
    /// Seconds since 1970, where the server told.
    pub modified_s: Option<i64>,
}

impl Store {
    /// Fetches `url` (`http://` or `https://`) into the file `into`.
    pub async fn download(
        &self,
        url: &str,
        into: &Path,
        limit_bytes: u64,
        cancel: &CancellationToken,
    ) -> Result<Downloaded, ImageError> {
        tokio::select! {
            () = cancel.cancelled() => Err(ImageError::Cancelled),
            outcome = tokio::time::timeout(LIMIT, self.fetch(url, into, limit_bytes)) => outcome.unwrap_or_else(|_| {
                Err(unreachable(url, format!("it took longer than {} s", LIMIT.as_secs())))
            }),
        }
    }

    /// Goes where the address sends us, but never from outside to the inside.
    async fn follow(&self, url: &str) -> Result<Response, ImageError> {
        let mut place = Url::parse(url).map_err(|error| unreachable(url, error.to_string()))?;
        let mut outward = !leads_inside(&place).await;
        for _ in 0..=STEPS {
            let answer = self.clients.any(outward)?.get(place.clone()).send().await;
            let answer = answer.map_err(|error| unreachable(url, causes(&error)))?;
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            let next = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let next = next.and_then(|next| place.join(next).ok());
            place = next.ok_or_else(|| unreachable(url, "it sends us to no address".to_owned()))?;
            if outward && leads_inside(&place).await {
                return Err(unreachable(
                    url,
                    format!("it sends us to `{place}`, which is on the inside"),
                ));
            }
            outward = outward || !leads_inside(&place).await;
        }
        Err(unreachable(url, format!("it sends us on more than {STEPS} times")))
    }

    async fn fetch(&self, url: &str, into: &Path, limit_bytes: u64) -> Result<Downloaded, ImageError> {
        let mut answer = self.follow(url).await?;
        if !answer.status().is_success() {
            return Err(ImageError::Answer {
                registry: answer.url().host_str().unwrap_or_default().to_owned(),
                status: answer.status().as_u16(),
                path: answer.url().path().to_owned(),
            });
        }
        let too_large = || ImageError::TooLarge {
            what: "the file",
            limit_bytes,
        };
        if answer.content_length().is_some_and(|length| length > limit_bytes) {
            return Err(too_large());
        }
        let modified = answer
            .headers()
            .get(LAST_MODIFIED)
            .and_then(|value| value.to_str().ok());
        let modified_s = modified.and_then(seconds);
        let mut file = tokio::fs::File::create(into)
            .await
            .map_err(ImageError::file("make", into))?;
        let (mut hash, mut bytes) = (Sha256::new(), 0u64);
        while let Some(piece) = answer.chunk().await.map_err(|error| unreachable(url, causes(&error)))? {
            bytes += piece.len() as u64;
            if bytes > limit_bytes {
                return Err(too_large());
            }
            hash.update(&piece);
            file.write_all(&piece).await.map_err(ImageError::file("write", into))?;
        }
        file.flush().await.map_err(ImageError::file("write", into))?;
        Ok(Downloaded {
            digest: Digest::from_sha256(hash.finalize().into()),
            bytes,
            modified_s,
        })
    }
}

async fn leads_inside(place: &Url) -> bool {
    leads_host_inside(place.host_str().unwrap_or_default()).await
}

fn unreachable(url: &str, reason: String) -> ImageError {
    ImageError::Unreachable {
        registry: url.to_owned(),
        reason,
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`: RFC 9110, 5.6.7.
fn seconds(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|known| *known == month)? + 1;
    let day: u32 = day.parse().ok()?;
    let moment = model::Timestamp::parse_rfc3339(&format!("{year}-{month:02}-{day:02}T{time}Z"))?;
    Some(moment.as_unix_nanos() / 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_a_header_is_read() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("yesterday"), None);
    }
}

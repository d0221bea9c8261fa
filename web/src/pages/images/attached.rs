//! What refers to an image and is kept with it: signatures, lists of packages and the like.

use super::super::frame::{Loaded, Reader};
use crate::client::http::escape;
use crate::format::size;
use leptos::prelude::*;
use shared::image::Referrer;
use shared::list::List;

/// A card of them; nothing where there are none.
pub(super) fn attached(id: &str) -> AnyView {
    let reader = Reader::<List<Referrer>>::new(["/images/", &escape(id), "/referrers"].concat());
    (move || match reader.value.get() {
        Loaded::Ready(list) if !list.items.is_empty() => card(list.items),
        Loaded::Failed(failure) => {
            crate::components::notice::failure("Attached artifacts could not be read", failure.to_string(), move || {
                reader.again();
            })
        }
        Loaded::Ready(_) | Loaded::Loading => ().into_any(),
    })
    .into_any()
}

fn card(items: Vec<Referrer>) -> AnyView {
    let lines = items
        .into_iter()
        .map(|item| {
            view! {
                <li class="line" data-testid="image.attached.item">
                    <span class="grow" title=item.manifest>
                        {word(&item.artifact_type)}
                    </span>
                    <span class="muted mono">{item.artifact_type.clone()}</span>
                    <span class="muted nowrap">{size(item.size_bytes)}</span>
                </li>
            }
        })
        .collect_view();
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Attached artifacts"</h2>
            </header>
            <ul>{lines}</ul>
        </section>
    }
    .into_any()
}

/// What a person calls an artifact of that media type.
fn word(media_type: &str) -> &'static str {
    const WORDS: [(&str, &str); 6] = [
        ("cosign", "Signature"),
        ("signature", "Signature"),
        ("sigstore", "Signature"),
        ("spdx", "List of packages"),
        ("cyclonedx", "List of packages"),
        ("in-toto", "Attestation"),
    ];
    WORDS
        .into_iter()
        .find(|(part, _)| media_type.contains(part))
        .map_or("Artifact", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn artifacts_have_names_that_people_know() {
        assert_eq!(word("application/vnd.dev.cosign.artifact.sig.v1+json"), "Signature");
        assert_eq!(word("application/vnd.cncf.notary.signature"), "Signature");
        assert_eq!(word("application/spdx+json"), "List of packages");
        assert_eq!(word("application/vnd.example.thing"), "Artifact");
    }
}

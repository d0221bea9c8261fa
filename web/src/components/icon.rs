//! Icons of the sprite in index.html, 16 pixels, in the colour of the text around them.

use leptos::prelude::*;

/// The mark of the product.
pub fn mark(class: &'static str) -> AnyView {
    view! {
        <svg class=class viewBox="0 0 24 24" aria-hidden="true">
            <use_ href=["#i-", "brand"].concat()></use_>
        </svg>
    }
    .into_any()
}

/// A decorative icon; the name is that of a symbol in index.html without `i-`.
pub fn icon(name: &'static str) -> AnyView {
    view! {
        <svg class="icon" aria-hidden="true" focusable="false">
            <use_ href=["#i-", name].concat()></use_>
        </svg>
    }
    .into_any()
}

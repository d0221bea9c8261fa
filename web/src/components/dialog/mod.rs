//! Dialogs on the browser's own `<dialog>`: focus is kept inside and returned, Esc closes.

use super::icon::icon;
use leptos::prelude::*;
use std::rc::Rc;

/// A dialog that is open while `open` holds true.
#[component]
pub fn Dialog(
    /// Whether it is shown; closing by Esc or the cross writes `false`.
    open: RwSignal<bool>,
    /// The question or the name of what is done.
    #[prop(into)]
    title: Signal<String>,
    /// `page.part`, the root of the test ids inside.
    testid: &'static str,
    /// Wider than the usual 560 pixels.
    #[prop(optional)]
    wide: bool,
    children: ChildrenFn,
) -> impl IntoView {
    let node = NodeRef::<leptos::html::Dialog>::new();
    Effect::new(move || {
        let shown = open.get();
        if let Some(dialog) = node.get() {
            if shown && !dialog.open() {
                let _ = dialog.show_modal();
            } else if !shown && dialog.open() {
                dialog.close();
            }
        }
    });
    let heading = [testid, ".title"].concat();
    let labelled = heading.clone();
    view! {
        <dialog
            class="dialog"
            class:dialog--wide=wide
            node_ref=node
            aria-labelledby=labelled
            data-testid=testid
            on:close=move |_| open.set(false)
            on:click=move |event| {
                // A click on the backdrop is a click on the dialog element itself.
                if let Some(dialog) = node.get_untracked()
                    && event.target().as_deref() == Some(dialog.as_ref())
                {
                    open.set(false);
                }
            }
        >
            {move || {
                let children = children.clone();
                let heading = heading.clone();
                open.get()
                    .then(|| {
                        view! {
                            <div class="dialog__panel">
                                <header class="dialog__head">
                                    <h2 id=heading>{move || title.get()}</h2>
                                    <button
                                        type="button"
                                        class="button button--quiet button--icon button--small"
                                        aria-label="Close"
                                        data-testid=[testid, ".close"].concat()
                                        on:click=move |_| open.set(false)
                                    >
                                        {icon("close")}
                                    </button>
                                </header>
                                {children()}
                            </div>
                        }
                    })
            }}
        </dialog>
    }
}

/// A question asked before something is done.
#[derive(Clone)]
pub struct Question {
    pub title: String,
    /// What goes and what stays, a sentence each.
    pub points: Vec<String>,
    /// The verb: "Remove container".
    pub action: String,
    pub danger: bool,
    /// Has to be typed before the action can be taken.
    pub typed: Option<String>,
    /// A further choice, off at first.
    pub choice: Option<String>,
    /// Called with whether the choice was ticked.
    pub act: Rc<dyn Fn(bool)>,
}

/// Asks questions; one at a time.
#[derive(Clone, Copy)]
pub struct Asker {
    question: RwSignal<Option<Question>, LocalStorage>,
    open: RwSignal<bool>,
}

impl Default for Asker {
    fn default() -> Self {
        Self {
            question: RwSignal::new_local(None),
            open: RwSignal::new(false),
        }
    }
}

impl Asker {
    pub fn ask(self, question: Question) {
        self.question.set(Some(question));
        self.open.set(true);
    }
}

/// The one place where questions appear.
#[component]
pub fn AskerHost(
    /// Where questions come from.
    asker: Asker,
) -> impl IntoView {
    let typed = RwSignal::new(String::new());
    let chosen = RwSignal::new(false);
    Effect::new(move || {
        if asker.open.get() {
            typed.set(String::new());
            chosen.set(false);
        }
    });
    let title = Signal::derive(move || asker.question.get().map(|q| q.title).unwrap_or_default());
    view! {
        <Dialog open=asker.open title testid="confirm">
            {move || {
                asker
                    .question
                    .get()
                    .map(|question| {
                        let wanted = question.typed.clone();
                        let blocked = move || wanted.as_ref().is_some_and(|wanted| typed.get().trim() != wanted);
                        let act = question.act.clone();
                        view! {
                            <div class="dialog__body">
                                {question.points.into_iter().map(|point| view! { <p>{point}</p> }).collect_view()}
                                {question
                                    .choice
                                    .map(|label| {
                                        view! {
                                            <label class="check">
                                                <input
                                                    type="checkbox"
                                                    data-testid="confirm.choice"
                                                    prop:checked=move || chosen.get()
                                                    on:change=move |event| chosen.set(event_target_checked(&event))
                                                />
                                                <span>{label}</span>
                                            </label>
                                        }
                                    })}
                                {question
                                    .typed
                                    .map(|name| {
                                        view! {
                                            <label class="stack" style="gap:4px">
                                                <span>"Type " <strong class="mono">{name}</strong> " to go on"</span>
                                                <input
                                                    class="input input--mono"
                                                    autocomplete="off"
                                                    data-testid="confirm.typed"
                                                    prop:value=move || typed.get()
                                                    on:input=move |event| typed.set(event_target_value(&event))
                                                />
                                            </label>
                                        }
                                    })}
                            </div>
                            <footer class="dialog__foot">
                                <button
                                    type="button"
                                    class="button"
                                    autofocus
                                    data-testid="confirm.cancel"
                                    on:click=move |_| asker.open.set(false)
                                >
                                    "Cancel"
                                </button>
                                <button
                                    type="button"
                                    class="button"
                                    class:button--danger=question.danger
                                    class:button--primary=!question.danger
                                    data-testid="confirm.act"
                                    prop:disabled=blocked
                                    on:click=move |_| {
                                        asker.open.set(false);
                                        act(chosen.get_untracked());
                                    }
                                >
                                    {question.action}
                                </button>
                            </footer>
                        }
                    })
            }}
        </Dialog>
    }
}

//! Fields of the form: each knows its name in the draft, shows its mistake
//! below it, and is judged when it is left.

use super::draft::Draft;
use crate::components::icon::icon;
use crate::state::signal::{Edit, Hold, Peek, See};
use crate::table::{KeySet, Table};
use leptos::prelude::*;

/// What all fields share.
#[derive(Clone, Copy)]
pub struct Form {
    pub draft: RwSignal<Draft>,
    /// Mistakes to show, by field.
    pub mistakes: Memo<Table<String, String>>,
    /// Fields that were left once: only these tell their mistakes.
    pub touched: RwSignal<KeySet<String>>,
}

impl Form {
    pub fn set(self, name: &str, text: String) {
        self.draft.edit(|draft| {
            draft.texts.insert(name.to_owned(), text);
        });
    }

    pub fn touch(self, name: &str) {
        if !self.touched.peek(|touched| touched.contains(name)) {
            self.touched.edit(|touched| {
                touched.insert(name.to_owned());
            });
        }
    }

    pub fn mistake(self, name: &str) -> Option<String> {
        self.mistakes.see(|mistakes| mistakes.get(name).cloned())
    }
}

fn frame(form: Form, name: &'static str, label: &'static str, hint: &'static str, control: AnyView) -> AnyView {
    let mistake = move || form.mistake(name);
    let id = ["field-", name].concat();
    let described = [&id, "-mistake"].concat();
    view! {
        <div class="field" class:field--wrong=move || mistake().is_some()>
            <label class="field__label" for=id>{label}</label>
            {control}
            {(!hint.is_empty()).then(|| view! { <p class="field__hint">{hint}</p> })}
            <p class="field__mistake" id=described role="alert">{mistake}</p>
        </div>
    }
    .into_any()
}

/// A line of text. `list` names a datalist with suggestions.
pub fn text(
    form: Form,
    name: &'static str,
    label: &'static str,
    placeholder: &'static str,
    hint: &'static str,
    list: &'static str,
) -> AnyView {
    let id = ["field-", name].concat();
    let described = [&id, "-mistake"].concat();
    let control = view! {
        <input
            class="input"
            id=id
            list=list
            placeholder=placeholder
            autocomplete="off"
            spellcheck="false"
            data-testid=["create.form.", name].concat()
            aria-describedby=described
            aria-invalid=move || form.mistake(name).is_some().to_string()
            prop:value=move || form.draft.see(|draft| draft.texts.get(name).cloned().unwrap_or_default())
            on:input=move |event| form.set(name, event_target_value(&event))
            on:blur=move |_| form.touch(name)
        />
    }
    .into_any();
    frame(form, name, label, hint, control)
}

/// One of a few.
pub fn select(
    form: Form,
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    choices: &'static [(&'static str, &'static str)],
) -> AnyView {
    let id = ["field-", name].concat();
    let control = view! {
        <select
            class="select"
            id=id
            data-testid=["create.form.", name].concat()
            prop:value=move || form.draft.see(|draft| draft.text(name).to_owned())
            on:change=move |event| {
                form.set(name, event_target_value(&event));
                form.touch(name);
            }
        >
            {choices
                .iter()
                .map(|(value, word)| {
                    let chosen = move || form.draft.see(|draft| draft.text(name) == *value);
                    view! { <option value=*value prop:selected=chosen>{*word}</option> }
                })
                .collect_view()}
        </select>
    }
    .into_any();
    frame(form, name, label, hint, control)
}

/// On or off.
pub fn switch(form: Form, name: &'static str, label: &'static str, hint: &'static str) -> AnyView {
    view! {
        <label class="check field__switch">
            <input
                type="checkbox"
                data-testid=["create.form.", name].concat()
                prop:checked=move || form.draft.see(|draft| draft.is_on(name))
                on:change=move |event| {
                    let on = event_target_checked(&event);
                    form.draft.edit(|draft| {
                        if on {
                            draft.on.insert(name.to_owned());
                        } else {
                            draft.on.remove(name);
                        }
                    });
                }
            />
            <span>
                {label}
                <span class="field__hint">{hint}</span>
            </span>
        </label>
    }
    .into_any()
}

/// A column of a list: placeholder, and choices where it is one of a few.
pub struct Column {
    pub label: &'static str,
    pub placeholder: &'static str,
    pub choices: &'static [(&'static str, &'static str)],
}

pub const fn column(label: &'static str, placeholder: &'static str) -> Column {
    Column {
        label,
        placeholder,
        choices: &[],
    }
}

/// Rows of cells, with one to add.
pub fn rows(
    form: Form,
    name: &'static str,
    label: &'static str,
    add: &'static str,
    columns: &'static [Column],
) -> AnyView {
    let count = Memo::new(move |_| form.draft.see(|draft| draft.list(name).len()));
    let plus = move |_| {
        form.draft.edit(|draft| {
            let first = |column: &Column| column.choices.first().map_or("", |choice| choice.0).to_owned();
            draft
                .rows
                .or_insert_with(name.to_owned(), Vec::new)
                .push(columns.iter().map(first).collect());
        });
    };
    view! {
        <div class="field" role="group" aria-label=label>
            <span class="field__label">{label}</span>
            <For each=move || 0..count.get() key=|at| *at let:at>
                {row(form, name, at, columns)}
            </For>
            <div>
                <button type="button" class="button button--small" data-testid=["create.", name, ".add"].concat() on:click=plus>
                    {icon("plus")}
                    {add}
                </button>
            </div>
        </div>
    }
    .into_any()
}

fn row(form: Form, name: &'static str, at: usize, columns: &'static [Column]) -> AnyView {
    let field = StoredValue::new([name, "[", &at.to_string(), "]"].concat());
    let mistake = move || field.hold(|field| form.mistake(field));
    let described = [name, "-", &at.to_string(), "-mistake"].concat();
    let told = ["create.", name, ".", &at.to_string(), ".mistake"].concat();
    let cells = columns
        .iter()
        .enumerate()
        .map(|(column_at, column)| {
            let value = move || {
                form.draft.see(|draft| {
                    draft
                        .list(name)
                        .get(at)
                        .and_then(|row| row.get(column_at))
                        .cloned()
                        .unwrap_or_default()
                })
            };
            let write = move |text: String| {
                form.draft.edit(|draft| {
                    if let Some(row) = draft.rows.get_mut(name).and_then(|rows| rows.get_mut(at)) {
                        if row.len() <= column_at {
                            row.resize(column_at + 1, String::new());
                        }
                        row[column_at] = text;
                    }
                });
            };
            let testid = [
                "create.",
                name,
                ".",
                &at.to_string(),
                ".",
                &column.label.to_ascii_lowercase().replace(' ', "-"),
            ]
            .concat();
            if column.choices.is_empty() {
                view! {
                    <input
                        class="input"
                        placeholder=column.placeholder
                        aria-label=column.label
                        autocomplete="off"
                        spellcheck="false"
                        data-testid=testid
                        aria-describedby=described.clone()
                        aria-invalid=move || mistake().is_some().to_string()
                        prop:value=value
                        on:input=move |event| write(event_target_value(&event))
                        on:blur=move |_| field.hold(|field| form.touch(field))
                    />
                }
                .into_any()
            } else {
                view! {
                    <select
                        class="select"
                        aria-label=column.label
                        data-testid=testid
                        on:change=move |event| write(event_target_value(&event))
                    >
                        {column
                            .choices
                            .iter()
                            .map(|(choice, word)| {
                                let chosen = move || value() == *choice;
                                view! { <option value=*choice prop:selected=chosen>{*word}</option> }
                            })
                            .collect_view()}
                    </select>
                }
                .into_any()
            }
        })
        .collect_view();
    let minus = move |_| {
        form.draft.edit(|draft| {
            if let Some(rows) = draft.rows.get_mut(name)
                && at < rows.len()
            {
                rows.remove(at);
            }
        });
    };
    view! {
        <div class="field__row">
            <div class="field__cells">{cells}</div>
            <button
                type="button"
                class="button button--quiet button--icon"
                aria-label="Remove this row"
                data-testid=["create.", name, ".remove"].concat()
                on:click=minus
            >
                {icon("trash")}
            </button>
        </div>
        <p class="field__mistake" role="alert" id=described data-testid=told>{mistake}</p>
    }
    .into_any()
}

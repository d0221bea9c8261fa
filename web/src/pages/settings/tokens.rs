//! Tokens: how programs sign in.

use super::{line, role_select, role_words};
use crate::client::http;
use crate::components::dialog::{Dialog, Question};
use crate::components::icon::icon;
use crate::components::notice::{Empty, note};
use crate::components::watch::copy;
use crate::format::time;
use crate::pages::frame::Reader;
use crate::state::App;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::list::List;
use shared::session::Role;
use shared::user::{FreshToken, NewToken, Token};
use std::rc::Rc;

pub fn tokens() -> AnyView {
    let reader = Reader::<List<Token>>::new("/tokens");
    let open = RwSignal::new(false);
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"API tokens"</h2>
                <button type="button" class="button button--primary" data-testid="tokens.head.new" on:click=move |_| open.set(true)>
                    {icon("plus")}
                    "New token"
                </button>
            </header>
            {reader.show("Tokens could not be listed", table)}
        </section>
        <Dialog open title="New token" testid="tokens.new">{new_form(reader, open)}</Dialog>
    }
    .into_any()
}

fn new_form(reader: Reader<List<Token>>, open: RwSignal<bool>) -> AnyView {
    let app = App::get();
    let most = untrack(|| app.session.me()).map_or(Role::Viewer, |me| me.role);
    let name = RwSignal::new(String::new());
    let days = RwSignal::new("90".to_owned());
    let role = RwSignal::new(Role::Viewer);
    let mistake = RwSignal::new(String::new());
    let secret = RwSignal::new(None::<String>);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let days = days.get_untracked();
        let days = match days.trim() {
            "" => None,
            text => match text.parse::<u32>() {
                Ok(days) if days > 0 => Some(days),
                _ => {
                    mistake.set("Days until the token expires: a number, or empty for never.".to_owned());
                    return;
                }
            },
        };
        let request = NewToken {
            name: name.get_untracked().trim().to_owned(),
            role: role.get_untracked(),
            days,
        };
        spawn_local(async move {
            match http::send::<_, FreshToken>("POST", "/tokens", &request).await {
                Ok(fresh) => {
                    let _ = secret.try_set(Some(fresh.secret));
                    reader.again();
                }
                Err(failure) => {
                    let _ = mistake.try_set(failure.to_string());
                }
            }
        });
    };
    let form = move || {
        view! {
            <form on:submit=submit>
                <div class="dialog__body">
                    {line("Name", "text", "off", "tokens.new.name", name)}
                    <div class="field">
                        <span class="field__label">"Role"</span>
                        {role_select(role, most, "tokens.new.role")}
                    </div>
                    {line("Expires after days", "text", "off", "tokens.new.days", days)}
                    {move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}
                </div>
                <footer class="dialog__foot">
                    <button type="button" class="button" data-testid="tokens.new.cancel" on:click=move |_| open.set(false)>
                        "Cancel"
                    </button>
                    <button type="submit" class="button button--primary" data-testid="tokens.new.create">
                        "Create token"
                    </button>
                </footer>
            </form>
        }
        .into_any()
    };
    (move || match secret.get() {
        None => form(),
        Some(secret) => {
            let copied = secret.clone();
            view! {
                <div class="dialog__body">
                    {note("warn", "Copy it now: it is not shown again.")}
                    <p class="system__remedy">
                        <code class="grow" data-testid="tokens.new.secret">{secret}</code>
                        <button type="button" class="button button--small" data-testid="tokens.new.copy" on:click=move |_| copy(&copied)>
                            {icon("copy")}
                            "Copy"
                        </button>
                    </p>
                </div>
                <footer class="dialog__foot">
                    <button type="button" class="button button--primary" data-testid="tokens.new.done" on:click=move |_| open.set(false)>
                        "Done"
                    </button>
                </footer>
            }
            .into_any()
        }
    })
    .into_any()
}

fn table(reader: Reader<List<Token>>, list: List<Token>) -> AnyView {
    if list.items.is_empty() {
        return view! { <Empty icon="key" text="No tokens. Programs sign in with one: Authorization: Bearer TOKEN."/> }
            .into_any();
    }
    let app = App::get();
    let rows = list
        .items
        .into_iter()
        .map(|token| {
            let moment = |text: Option<&str>| text.and_then(time::parse).map(time::day);
            let (id, name) = (token.id.clone(), token.name.clone());
            let revoke = move |_| {
                let (id, name) = (id.clone(), name.clone());
                app.asker.ask(Question {
                    title: ["Revoke ", &name, "?"].concat(),
                    points: vec!["Programs that use it are signed out at once.".to_owned()],
                    action: "Revoke token".to_owned(),
                    danger: true,
                    typed: None,
                    choice: None,
                    act: Rc::new(move |_| {
                        let id = id.clone();
                        spawn_local(async move {
                            match http::act("DELETE", &["/tokens/", &id].concat()).await {
                                Ok(()) => reader.again(),
                                Err(failure) => app.toasts.failed("The token was not revoked", failure.to_string()),
                            }
                        });
                    }),
                });
            };
            view! {
                <tr data-testid="tokens.row">
                    <td><strong>{token.name}</strong></td>
                    <td>{token.username}</td>
                    <td>{role_words(token.role).0}</td>
                    <td class="nowrap">{moment(token.expires.as_deref()).unwrap_or_else(|| "never".to_owned())}</td>
                    <td class="nowrap muted">{moment(token.last_used.as_deref()).unwrap_or_else(|| "never".to_owned())}</td>
                    <td class="num">
                        <button type="button" class="button button--small" data-testid="tokens.row.revoke" on:click=revoke>
                            "Revoke"
                        </button>
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Owner"</th>
                        <th scope="col">"Role"</th>
                        <th scope="col">"Expires"</th>
                        <th scope="col">"Last used"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

//! Users who may sign in.

use super::{line, role_select, role_words};
use crate::client::http;
use crate::components::dialog::{Dialog, Question};
use crate::components::icon::icon;
use crate::components::notice::note;
use crate::format::time;
use crate::pages::frame::Reader;
use crate::state::App;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::list::List;
use shared::session::Role;
use shared::user::{NewUser, User, UserChange};
use std::rc::Rc;

pub fn users() -> AnyView {
    let reader = Reader::<List<User>>::new("/users");
    let open = RwSignal::new(false);
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Users"</h2>
                <button type="button" class="button button--primary" data-testid="users.head.new" on:click=move |_| open.set(true)>
                    {icon("plus")}
                    "New user"
                </button>
            </header>
            {reader.show("Users could not be listed", table)}
        </section>
        <Dialog open title="New user" testid="users.new">{new_form(reader, open)}</Dialog>
    }
    .into_any()
}

fn new_form(reader: Reader<List<User>>, open: RwSignal<bool>) -> AnyView {
    let (name, password) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let role = RwSignal::new(Role::Operator);
    let mistake = RwSignal::new(String::new());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let request = NewUser {
            username: name.get_untracked().trim().to_owned(),
            password: password.get_untracked(),
            role: role.get_untracked(),
        };
        spawn_local(async move {
            match http::send::<_, User>("POST", "/users", &request).await {
                Ok(_) => {
                    open.set(false);
                    reader.again();
                }
                Err(failure) => {
                    let _ = mistake.try_set(failure.to_string());
                }
            }
        });
    };
    view! {
        <form on:submit=submit>
            <div class="dialog__body">
                {line("Name", "text", "off", "users.new.name", name)}
                {line("Password", "password", "new-password", "users.new.password", password)}
                <div class="field">
                    <span class="field__label">"Role"</span>
                    {role_select(role, Role::Admin, "users.new.role")}
                </div>
                {move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}
            </div>
            <footer class="dialog__foot">
                <button type="button" class="button" data-testid="users.new.cancel" on:click=move |_| open.set(false)>
                    "Cancel"
                </button>
                <button type="submit" class="button button--primary" data-testid="users.new.create">
                    "Create user"
                </button>
            </footer>
        </form>
    }
    .into_any()
}

fn table(reader: Reader<List<User>>, list: List<User>) -> AnyView {
    let app = App::get();
    let me = untrack(|| app.session.me()).map(|me| me.id);
    let rows = list
        .items
        .into_iter()
        .map(|user| {
            let own = me.as_ref() == Some(&user.id);
            let seen = user.last_seen.as_deref().and_then(time::parse).map(time::local);
            let role = RwSignal::new(user.role);
            let key = user.username.clone();
            let id = user.id.clone();
            // The choice is the change: it is sent when it is made, and told back when refused.
            Effect::new(move |before: Option<Role>| {
                let now = role.get();
                if before.is_some_and(|before| before != now) {
                    let path = ["/users/", &id].concat();
                    spawn_local(async move {
                        let change = UserChange {
                            role: Some(now),
                            ..UserChange::default()
                        };
                        if let Err(failure) = http::tell("PATCH", &path, &change).await {
                            app.toasts.failed("The role was not changed", failure.to_string());
                            reader.again();
                        }
                    });
                }
                now
            });
            let (id, name) = (user.id.clone(), user.username.clone());
            let remove = move |_| {
                let path = ["/users/", &id].concat();
                app.asker.ask(Question {
                    title: ["Delete user ", &name, "?"].concat(),
                    points: vec!["Sessions and tokens of this user end at once.".to_owned()],
                    action: "Delete user".to_owned(),
                    danger: true,
                    typed: Some(name.clone()),
                    choice: None,
                    act: Rc::new(move |_| {
                        let path = path.clone();
                        spawn_local(async move {
                            match http::act("DELETE", &path).await {
                                Ok(()) => reader.again(),
                                Err(failure) => app.toasts.failed("The user was not deleted", failure.to_string()),
                            }
                        });
                    }),
                });
            };
            view! {
                <tr data-testid="users.row" data-name=key>
                    <td>
                        <strong>{user.username}</strong>
                        {own.then(|| view! { " " <span class="badge badge--accent">"you"</span> })}
                    </td>
                    <td style="width:340px">
                        {if own {
                            role_words(user.role).0.into_any()
                        } else {
                            role_select(role, Role::Admin, "users.row.role")
                        }}
                    </td>
                    <td class="nowrap muted">{seen.unwrap_or_else(|| "never".to_owned())}</td>
                    <td class="num">
                        <button
                            type="button"
                            class="button button--quiet button--icon button--small"
                            aria-label="Delete user"
                            title="Delete user"
                            data-testid="users.row.delete"
                            prop:disabled=own
                            on:click=remove
                        >
                            {icon("trash")}
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
                        <th scope="col">"Role"</th>
                        <th scope="col">"Last seen"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

//! Users, and the tokens of programs.

use super::body::{Json, Path};
use super::front::Front;
use super::guard::Caller;
use super::problem::{Answer, Failure};
use super::{session, words};
use access::Permission;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use shared::list::List;
use shared::session::Session;
use shared::user::{FreshToken, NewToken, NewUser, Token, User, UserChange};
use std::time::Duration;

const DAY_S: u64 = 86_400;

/// Lists users.
#[utoipa::path(get, path = "/users", tag = "users", responses((status = 200, body = List<User>)))]
pub(super) async fn users(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
) -> Answer<axum::Json<List<User>>> {
    caller.require(Permission::Administer)?;
    let mut items = Vec::new();
    for user in front.access.list_users().await? {
        items.push(shown(&front, user).await?);
    }
    Ok(axum::Json(words::whole_list(items, front.engine.last_seq())))
}

async fn shown(front: &Front, user: access::User) -> Answer<User> {
    let last_seen = front.access.last_seen(&user.id).await?;
    Ok(User {
        id: user.id,
        username: user.name,
        role: words::role(user.role),
        created: user.created.to_string(),
        last_seen: last_seen.map(|at| at.to_string()),
    })
}

/// Creates a user.
#[utoipa::path(post, path = "/users", tag = "users", request_body = NewUser, responses((status = 201, body = User)))]
pub(super) async fn create_user(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Json(new): Json<NewUser>,
) -> Answer<(StatusCode, axum::Json<User>)> {
    caller.require(Permission::Administer)?;
    let user = front
        .access
        .create_user(&new.username, &new.password, words::role_asked(new.role), crate::now())
        .await?;
    Ok((StatusCode::CREATED, axum::Json(shown(&front, user).await?)))
}

/// Changes the role or password of a user. A new password revokes their sessions and tokens.
#[utoipa::path(patch, path = "/users/{id}", tag = "users", params(("id" = String, Path)), request_body = UserChange, responses((status = 200, body = User)))]
pub(super) async fn change_user(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Json(change): Json<UserChange>,
) -> Answer<axum::Json<User>> {
    caller.require(Permission::Administer)?;
    let role = change.role.map(words::role_asked);
    let user = front.access.change_user(&id, role, change.password.as_deref()).await?;
    Ok(axum::Json(shown(&front, user).await?))
}

/// Removes a user and their sessions and tokens.
#[utoipa::path(delete, path = "/users/{id}", tag = "users", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn remove_user(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    caller.require(Permission::Administer)?;
    front.access.remove_user(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the tokens of a user. Requires the role `admin`.
#[utoipa::path(get, path = "/users/{id}/tokens", tag = "users", params(("id" = String, Path)), responses((status = 200, body = List<Token>)))]
pub(super) async fn user_tokens(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<axum::Json<List<Token>>> {
    caller.require(Permission::Administer)?;
    let user = front.access.user(&id).await?;
    let tokens = front.access.list_tokens(&user.id).await?;
    let items = tokens.into_iter().map(|token| shown_token(&user.name, token)).collect();
    Ok(axum::Json(words::whole_list(items, front.engine.last_seq())))
}

/// Revokes a token of a user immediately. Requires the role `admin`.
#[utoipa::path(delete, path = "/users/{id}/tokens/{token}", tag = "users", params(("id" = String, Path), ("token" = String, Path)), responses((status = 204)))]
pub(super) async fn remove_user_token(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path((id, token)): Path<(String, String)>,
) -> Answer<StatusCode> {
    caller.require(Permission::Administer)?;
    front.access.remove_token(&token, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the browser sessions of a user. Requires the role `admin`.
#[utoipa::path(get, path = "/users/{id}/sessions", tag = "users", params(("id" = String, Path)), responses((status = 200, body = List<Session>)))]
pub(super) async fn user_sessions(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<axum::Json<List<Session>>> {
    caller.require(Permission::Administer)?;
    let user = front.access.user(&id).await?;
    let sessions = front
        .access
        .sessions(&user.id, caller.session.as_ref(), crate::now())
        .await?;
    let items = sessions.into_iter().map(session::shown).collect();
    Ok(axum::Json(words::whole_list(items, front.engine.last_seq())))
}

/// Ends a session of a user immediately. Requires the role `admin`.
#[utoipa::path(delete, path = "/users/{id}/sessions/{session}", tag = "users", params(("id" = String, Path), ("session" = String, Path)), responses((status = 204)))]
pub(super) async fn end_user_session(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path((id, session)): Path<(String, String)>,
) -> Answer<StatusCode> {
    caller.require(Permission::Administer)?;
    front.access.end_session(&id, &session, crate::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the tokens of the current user.
#[utoipa::path(get, path = "/tokens", tag = "tokens", responses((status = 200, body = List<Token>)))]
pub(super) async fn tokens(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
) -> Answer<axum::Json<List<Token>>> {
    let tokens = front.access.list_tokens(&caller.identity.user_id).await?;
    let owner = &caller.identity.user_name;
    let items = tokens.into_iter().map(|token| shown_token(owner, token)).collect();
    Ok(axum::Json(words::whole_list(items, front.engine.last_seq())))
}

fn shown_token(owner: &str, token: access::Token) -> Token {
    Token {
        id: token.id,
        name: token.name,
        username: owner.to_owned(),
        role: words::role(token.role),
        created: token.created.to_string(),
        expires: token.expires.map(|at| at.to_string()),
        last_used: token.last_used.map(|at| at.to_string()),
    }
}

/// Creates a token. Only this response contains its secret.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewToken, responses((status = 201, body = FreshToken)))]
pub(super) async fn create_token(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Json(new): Json<NewToken>,
) -> Answer<(StatusCode, axum::Json<FreshToken>)> {
    let role = words::role_asked(new.role);
    // A token of a lesser role must not make one of a greater.
    if role > caller.identity.role {
        return Err(Failure::mistake(
            "role",
            format!("it cannot be above your own, `{}`", caller.identity.role.word()),
        ));
    }
    if new.name.trim().is_empty() {
        return Err(Failure::mistake("name", "say what the token is for"));
    }
    let asked = access::NewToken {
        name: new.name,
        role,
        lifetime: new.days.map(|days| Duration::from_secs(u64::from(days) * DAY_S)),
    };
    let (token, secret) = front
        .access
        .create_token(&caller.identity.user_name, asked, crate::now())
        .await?;
    let fresh = FreshToken {
        token: shown_token(&caller.identity.user_name, token),
        secret: secret.reveal().to_owned(),
    };
    Ok((StatusCode::CREATED, axum::Json(fresh)))
}

/// Revokes a token immediately.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn remove_token(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    front.access.remove_token(&id, &caller.identity.user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

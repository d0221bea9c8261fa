//! Signing in and out, the first user, and one's own account.

use super::body::{Json, Path};
use super::client::Client;
use super::front::Front;
use super::guard::{COOKIE_NAME, Caller};
use super::problem::{Answer, Failure};
use super::words;
use access::{Identity, Origin, SESSION_LIFETIME, SessionInfo, SignedIn};
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderName, HeaderValue, SET_COOKIE, USER_AGENT};
use shared::list::List;
use shared::session::{Me, PasswordChange, Session, Setup, SetupRequest, SignIn};

const LONGEST_USER_AGENT: usize = 300;

type WithCookie = ([(HeaderName, HeaderValue); 1], axum::Json<Me>);

/// Reports whether the first user must be created.
#[utoipa::path(get, path = "/setup", tag = "session", security(()), responses((status = 200, body = Setup)))]
pub(super) async fn setup(State(front): State<Front>) -> Answer<axum::Json<Setup>> {
    Ok(axum::Json(Setup {
        needed: !front.access.is_set_up().await?,
    }))
}

/// Creates the first user and signs them in.
#[utoipa::path(post, path = "/setup", tag = "session", security(()), request_body = SetupRequest, responses((status = 200, body = Me)))]
pub(super) async fn set_up(
    State(front): State<Front>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Json(request): Json<SetupRequest>,
) -> Answer<WithCookie> {
    if !front.knows_setup_code(&request.code) {
        return Err(Failure::forbidden(
            "this set-up link is not, or no longer, valid; the server prints it when it starts without any user",
        ));
    }
    front
        .access
        .set_up(&request.username, &request.password, crate::now())
        .await?;
    front.forget_setup_code();
    begin(&front, &request.username, &request.password, client, &headers).await
}

/// Signs in. The response sets a session cookie.
#[utoipa::path(post, path = "/session", tag = "session", security(()), request_body = SignIn, responses((status = 200, body = Me)))]
pub(super) async fn sign_in(
    State(front): State<Front>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Json(request): Json<SignIn>,
) -> Answer<WithCookie> {
    begin(&front, &request.username, &request.password, client, &headers).await
}

async fn begin(
    front: &Front,
    username: &str,
    password: &str,
    client: Client,
    headers: &HeaderMap,
) -> Answer<WithCookie> {
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let origin = Origin {
        address: client.address.to_string(),
        user_agent: user_agent.map(|text| text.chars().take(LONGEST_USER_AGENT).collect()),
    };
    let signed_in = front.access.sign_in(username, password, origin, crate::now()).await?;
    let cookie = cookie(&signed_in, client.is_https);
    Ok(([(SET_COOKIE, cookie)], axum::Json(me(front, &signed_in.identity))))
}

/// `secure`: the browser's connection is HTTPS, as a trusted proxy reports. Over plain HTTP a
/// browser would drop a `Secure` cookie.
fn cookie(signed_in: &SignedIn, secure: bool) -> HeaderValue {
    let text = format!(
        "{COOKIE_NAME}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}",
        signed_in.secret.reveal(),
        SESSION_LIFETIME.as_secs(),
        if secure { "; Secure" } else { "" }
    );
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn me(front: &Front, identity: &Identity) -> Me {
    Me {
        id: identity.user_id.clone(),
        username: identity.user_name.clone(),
        role: words::role(identity.role),
        version: front.version.to_owned(),
    }
}

/// Returns the current user.
#[utoipa::path(get, path = "/session", tag = "session", responses((status = 200, body = Me)))]
pub(super) async fn who(State(front): State<Front>, Extension(caller): Extension<Caller>) -> axum::Json<Me> {
    axum::Json(me(&front, &caller.identity))
}

/// Signs out and ends the current session.
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 204)))]
pub(super) async fn sign_out(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
) -> Answer<(StatusCode, [(HeaderName, HeaderValue); 1])> {
    if let Some(secret) = &caller.session {
        front.access.sign_out(secret).await?;
    }
    let gone = HeaderValue::from_static("gantry_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, gone)]))
}

/// Lists the browser sessions of the current user.
#[utoipa::path(get, path = "/sessions", tag = "session", responses((status = 200, body = List<Session>)))]
pub(super) async fn list(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
) -> Answer<axum::Json<List<Session>>> {
    let sessions = front
        .access
        .sessions(&caller.identity.user_id, caller.session.as_ref(), crate::now())
        .await?;
    let items = sessions.into_iter().map(shown).collect();
    Ok(axum::Json(words::whole_list(items, front.engine.last_seq())))
}

pub(super) fn shown(session: SessionInfo) -> Session {
    Session {
        id: session.id,
        current: session.current,
        created: session.created.to_string(),
        last_used: session.last_used.to_string(),
        address: session.address,
        user_agent: session.user_agent,
    }
}

/// Ends a browser session of the current user.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "session", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn end(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    front
        .access
        .end_session(&caller.identity.user_id, &id, crate::now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the password of the current user.
///
/// Revokes all sessions and tokens of the user, and starts a new session for the browser that sent
/// the request.
#[utoipa::path(post, path = "/account/password", tag = "session", request_body = PasswordChange, responses((status = 200, body = Me)))]
pub(super) async fn change_password(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Json(change): Json<PasswordChange>,
) -> Answer<(StatusCode, WithCookie)> {
    // A token must not lead to the account's password.
    if caller.session.is_none() {
        return Err(Failure::forbidden(
            "a password is changed by a person who is signed in, not by a token",
        ));
    }
    front
        .access
        .change_password(
            &caller.identity.user_id,
            &change.current,
            &change.new,
            &client.address.to_string(),
            crate::now(),
        )
        .await
        .map_err(|error| match error {
            access::AccessError::WrongCredentials => Failure::mistake("current", "the current password is wrong"),
            access::AccessError::PasswordLength | access::AccessError::WeakPassword(_) => {
                Failure::mistake("new", error.to_string())
            }
            other => other.into(),
        })?;
    let fresh = begin(&front, &caller.identity.user_name, &change.new, client, &headers).await?;
    Ok((StatusCode::OK, fresh))
}

//! Sending a file, with word of how far it is. `fetch` cannot tell, so this is
//! the older interface.

use super::http::{Failure, problem};
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{File, ProgressEvent, XmlHttpRequest};

/// An upload on its way; dropping it stops it.
pub struct Upload {
    request: XmlHttpRequest,
    _progress: Closure<dyn Fn(ProgressEvent)>,
    _done: Closure<dyn Fn()>,
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.request.set_onloadend(None);
        if let Ok(upload) = self.request.upload() {
            upload.set_onprogress(None);
        }
        let _ = self.request.abort();
    }
}

/// Posts a file. `progress` hears the share sent, 0 to 1; `done` hears the end.
pub fn start(
    path: &str,
    file: &File,
    progress: impl Fn(f64) + 'static,
    done: impl Fn(Result<String, Failure>) + 'static,
) -> Option<Upload> {
    let request = XmlHttpRequest::new().ok()?;
    request.open("POST", &["/api/v1", path].concat()).ok()?;
    let _ = request.set_request_header("content-type", "application/x-tar");
    let progress = Closure::<dyn Fn(ProgressEvent)>::new(move |event: ProgressEvent| {
        if event.length_computable() && event.total() > 0.0 {
            progress(event.loaded() / event.total());
        }
    });
    let answered = Rc::new(request.clone());
    let done = Closure::<dyn Fn()>::new(move || {
        let status = answered.status().unwrap_or(0);
        let text = answered.response_text().ok().flatten().unwrap_or_default();
        done(match status {
            200..=299 => Ok(text),
            0 => Err(Failure::Unreachable),
            _ => Err(Failure::Refused(Box::new(problem(&text, status)))),
        });
    });
    request
        .upload()
        .ok()?
        .set_onprogress(Some(progress.as_ref().unchecked_ref()));
    request.set_onloadend(Some(done.as_ref().unchecked_ref()));
    request.send_with_opt_blob(Some(file)).ok()?;
    Some(Upload {
        request,
        _progress: progress,
        _done: done,
    })
}

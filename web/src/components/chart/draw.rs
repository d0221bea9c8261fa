//! Painting a chart's lines.

use super::Data;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, CssStyleDeclaration, HtmlCanvasElement};

/// Height in CSS pixels; the style sheet says the same.
const HEIGHT: f64 = 150.0;
/// Dashes tell series apart where colour does not.
const DASHES: [&[f64]; 4] = [&[], &[6.0, 3.0], &[2.0, 3.0], &[8.0, 3.0, 2.0, 3.0]];

/// How it is painted.
pub struct Frame {
    pub width: f64,
    /// The value at the top edge.
    pub top: f64,
    /// A longer time without a sample is a gap.
    pub gap_ms: f64,
    /// The sample pointed at.
    pub at: Option<usize>,
}

/// Paints the whole canvas.
pub fn draw(canvas: &HtmlCanvasElement, data: &Data, frame: &Frame) {
    let Some(context) = canvas
        .get_context("2d")
        .ok()
        .flatten()
        .and_then(|context| context.dyn_into::<CanvasRenderingContext2d>().ok())
    else {
        return;
    };
    let Ok(Some(style)) = window().get_computed_style(canvas) else {
        return;
    };
    let dense = window().device_pixel_ratio();
    let pixels = |css: f64| u32::try_from(crate::format::number::whole(css * dense)).unwrap_or(0);
    canvas.set_width(pixels(frame.width));
    canvas.set_height(pixels(HEIGHT));
    let _ = context.scale(dense, dense);
    grid(&context, &style, frame);
    let (Some(first), Some(last)) = (data.times.first().copied(), data.times.last().copied()) else {
        return;
    };
    let span = (last - first).max(1.0);
    let x = |time: f64| (time - first) / span * frame.width;
    let y = |value: f64| HEIGHT - 1.0 - (value / frame.top).clamp(0.0, 1.0) * (HEIGHT - 4.0);
    for (number, series) in data.series.iter().enumerate() {
        let colour = token(&style, &format!("--series-{}", series.colour));
        context.set_stroke_style_str(&colour);
        context.set_line_width(1.5);
        dash(&context, DASHES[number % DASHES.len()]);
        context.begin_path();
        let mut before = f64::NEG_INFINITY;
        for (time, value) in data.times.iter().zip(&series.values) {
            if time - before > frame.gap_ms {
                context.move_to(x(*time), y(*value));
            } else {
                context.line_to(x(*time), y(*value));
            }
            before = *time;
        }
        context.stroke();
        if number == 0 && data.series.len() == 1 {
            // One series alone stands on its ground.
            context.line_to(x(last), HEIGHT);
            context.line_to(x(first), HEIGHT);
            context.set_global_alpha(0.1);
            context.set_fill_style_str(&colour);
            context.fill();
            context.set_global_alpha(1.0);
        }
    }
    dash(&context, &[]);
    if let Some(limit) = data.limit.filter(|limit| *limit <= frame.top) {
        context.set_stroke_style_str(&token(&style, "--bad"));
        context.set_line_width(1.0);
        dash(&context, &[4.0, 3.0]);
        line(&context, (0.0, y(limit)), (frame.width, y(limit)));
        dash(&context, &[]);
    }
    if let Some(moment) = frame.at.and_then(|at| data.times.get(at)) {
        context.set_stroke_style_str(&token(&style, "--text-3"));
        context.set_line_width(1.0);
        line(&context, (x(*moment), 0.0), (x(*moment), HEIGHT));
    }
}

fn grid(context: &CanvasRenderingContext2d, style: &CssStyleDeclaration, frame: &Frame) {
    context.set_stroke_style_str(&token(style, "--border"));
    context.set_line_width(1.0);
    for y in [0.5, HEIGHT / 2.0, HEIGHT - 0.5] {
        line(context, (0.0, y), (frame.width, y));
    }
}

fn line(context: &CanvasRenderingContext2d, from: (f64, f64), to: (f64, f64)) {
    context.begin_path();
    context.move_to(from.0, from.1);
    context.line_to(to.0, to.1);
    context.stroke();
}

fn dash(context: &CanvasRenderingContext2d, lengths: &[f64]) {
    let array = js_sys::Array::new();
    for length in lengths {
        array.push(&(*length).into());
    }
    let _ = context.set_line_dash(&array);
}

/// A colour of the theme.
fn token(style: &CssStyleDeclaration, name: &str) -> String {
    style
        .get_property_value(name)
        .map(|value| value.trim().to_owned())
        .unwrap_or_default()
}

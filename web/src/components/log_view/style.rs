//! How a piece of a line looks: terminal styles as CSS, readable on the log's ground.

use model::terminal::{Colour, Style, Underline};

/// The inline style, empty for plain text. `dark`: the theme it is drawn on.
pub fn css(style: Style, dark: bool) -> String {
    let mut css = String::new();
    let paint = |colour: Option<Colour>, other: &str| colour.map_or_else(|| other.to_owned(), value);
    let (foreground, background) = if style.inverse {
        (
            paint(style.background, "var(--log)"),
            Some(paint(style.foreground, "var(--text-1)")),
        )
    } else {
        match (style.foreground, style.background) {
            (None, None) => (String::new(), None),
            // A foreign pair nobody can read is drawn in the theme's own colours.
            (foreground, Some(background)) if !readable(foreground, background) => {
                ("var(--text-1)".to_owned(), Some("var(--inset)".to_owned()))
            }
            (Some(foreground), None) if !readable_on_log(foreground, dark) => (String::new(), None),
            (foreground, background) => (foreground.map(value).unwrap_or_default(), background.map(value)),
        }
    };
    if style.hidden {
        css.push_str("color:transparent;");
    } else if !foreground.is_empty() {
        css.push_str("color:");
        css.push_str(&foreground);
        css.push(';');
    }
    if let Some(background) = background {
        css.push_str("background:");
        css.push_str(&background);
        css.push(';');
    }
    for (on, rule) in [
        (style.bold, "font-weight:600;"),
        (style.faint, "opacity:.75;"),
        (style.italic, "font-style:italic;"),
    ] {
        if on {
            css.push_str(rule);
        }
    }
    decorate(style, &mut css);
    css
}

fn decorate(style: Style, css: &mut String) {
    let underline = match style.underline {
        Some(Underline::Single) => Some(""),
        Some(Underline::Double) => Some(" double"),
        Some(Underline::Curly) => Some(" wavy"),
        Some(Underline::Dotted) => Some(" dotted"),
        Some(Underline::Dashed) => Some(" dashed"),
        None => style.link.then_some(" dashed"),
    };
    if underline.is_none() && !style.struck && !style.overline {
        return;
    }
    css.push_str("text-decoration:");
    for (on, line) in [
        (underline.is_some(), " underline"),
        (style.struck, " line-through"),
        (style.overline, " overline"),
    ] {
        if on {
            css.push_str(line);
        }
    }
    css.push_str(underline.unwrap_or_default());
    css.push(';');
}

fn value(colour: Colour) -> String {
    match rgb(colour) {
        None => {
            let Colour::Indexed(number) = colour else {
                return String::new();
            };
            ["var(--ansi-", &number.to_string(), ")"].concat()
        }
        Some([r, g, b]) => ["rgb(", &r.to_string(), " ", &g.to_string(), " ", &b.to_string(), ")"].concat(),
    }
}

/// The colour as red, green and blue; `None` for the sixteen that the theme defines.
fn rgb(colour: Colour) -> Option<[u8; 3]> {
    let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
    match colour {
        Colour::Rgb(r, g, b) => Some([r, g, b]),
        Colour::Indexed(0..=15) => None,
        Colour::Indexed(number @ 16..=231) => {
            let n = number - 16;
            Some([step(n / 36), step(n / 6 % 6), step(n % 6)])
        }
        Colour::Indexed(number) => Some([8 + 10 * (number - 232); 3]),
    }
}

/// Relative luminance, about (WCAG 2, without the exact curve).
fn luminance(colour: Colour) -> Option<f32> {
    let [r, g, b] = rgb(colour)?.map(|part| {
        let part = f32::from(part) / 255.0;
        part * part
    });
    Some(0.2126 * r + 0.7152 * g + 0.0722 * b)
}

fn ratio(a: f32, b: f32) -> f32 {
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn readable_on_log(foreground: Colour, dark: bool) -> bool {
    let log = if dark { 0.005 } else { 0.97 };
    luminance(foreground).is_none_or(|l| ratio(l, log) >= 3.0)
}

fn readable(foreground: Option<Colour>, background: Colour) -> bool {
    match (foreground.map(luminance), luminance(background)) {
        (Some(Some(f)), Some(b)) => ratio(f, b) >= 3.0,
        // The theme's colours are made for the log's own ground, not for a coloured one.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> String {
        css(model::terminal::spans(line)[0].style, true)
    }

    #[test]
    fn an_unreadable_pair_is_drawn_in_the_themes_colours() {
        let unreadable = "\u{1b}[38;2;10;10;10;48;2;20;20;20mx";
        assert_eq!(of(unreadable), "color:var(--text-1);background:var(--inset);");
    }

    #[test]
    fn colours_and_lines_are_told_in_css() {
        assert_eq!(of("plain"), "");
        assert_eq!(of("\u{1b}[95mx"), "color:var(--ansi-13);");
        assert_eq!(of("\u{1b}[38;5;196mx"), "color:rgb(255 0 0);");
        assert_eq!(of("\u{1b}[4:3;9mx"), "text-decoration: underline line-through wavy;");
        assert_eq!(of("\u{1b}[8mx"), "color:transparent;");
    }
}

//! The length of functions.
use super::{none, scan, sources};

const MOST_FUNCTION_LINES: usize = 80;

#[test]
fn functions_stay_within_the_line_limit() {
    let sources = sources();
    let mut count = 0;
    let mut long = Vec::new();
    for text in &sources {
        for function in scan::functions(&text.lines.join("\n")) {
            count += 1;
            if function.lines > MOST_FUNCTION_LINES {
                long.push(format!("{}:{}: {} has {} lines", text.name, function.line, function.name, function.lines));
            }
        }
    }
    assert!(count > 1000, "only {count} functions found");
    none("functions of more than 80 lines", long);
}

//! Reads Rust sources: removes comments, literals and test modules, and finds functions and words.

/// Replaces comments and the contents of string and character literals with spaces. Line numbers do not change.
pub(super) fn code(text: &str) -> String {
    let source: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < source.len() {
        let end = literal_or_comment(&source, at);
        let blank = |c: &char| if *c == '\n' { '\n' } else { ' ' };
        if end > at {
            out.extend(source[at..end].iter().map(blank));
            at = end;
        } else {
            out.push(source[at]);
            at += 1;
        }
    }
    out
}

/// Position after the comment or literal that starts at `at`, or `at` if none starts there.
fn literal_or_comment(source: &[char], at: usize) -> usize {
    let next = |n: usize| source.get(at + n).copied();
    let in_word = at > 0 && (source[at - 1].is_alphanumeric() || source[at - 1] == '_');
    match (source[at], next(1)) {
        ('/', Some('/')) => source[at..].iter().position(|c| *c == '\n').map_or(source.len(), |n| at + n),
        ('/', Some('*')) => block_comment(source, at),
        ('"', _) => string(source, at),
        ('b' | 'c', Some('"')) if !in_word => string(source, at + 1),
        ('r', Some('"' | '#')) if !in_word => raw_string(source, at, at + 1),
        ('b' | 'c', Some('r')) if !in_word && matches!(next(2), Some('"' | '#')) => raw_string(source, at, at + 2),
        // A lifetime has no second quote in this place.
        ('\'', Some('\\')) => source[at + 3..].iter().position(|c| *c == '\'').map_or(at, |n| at + n + 4),
        ('\'', Some(_)) if next(2) == Some('\'') => at + 3,
        _ => at,
    }
}

fn block_comment(source: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < source.len() {
        match source.get(at..at + 2) {
            Some(['/', '*']) => (depth, at) = (depth + 1, at + 2),
            Some(['*', '/']) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    source.len()
}

/// Position after a string whose opening quote is at `quote`.
fn string(source: &[char], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < source.len() && source[at] != '"' {
        at += if source[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(source.len())
}

/// Position after a raw string whose hashes begin at `hashes`, or `start` for a raw identifier.
fn raw_string(source: &[char], start: usize, hashes: usize) -> usize {
    let count = source[hashes..].iter().take_while(|c| **c == '#').count();
    if source.get(hashes + count) != Some(&'"') {
        return start;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', count)).collect();
    let body = hashes + count + 1;
    source[body..].windows(end.len()).position(|w| w == end).map_or(source.len(), |n| body + n + end.len())
}

/// Position after the brace that closes the one at `open`, in code without comments and literals.
fn closed(code: &[u8], open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Removes test modules from code without comments and literals.
pub(super) fn without_tests(code: &str) -> String {
    let mut rest = code.to_owned();
    let mut from = 0;
    while let Some(found) = rest[from..].find("#[cfg(test)]").map(|n| from + n) {
        let item = &rest[found..];
        let open = item.find('{').unwrap_or(item.len());
        let end = item.find(';').unwrap_or(item.len());
        from = if open < end { closed(rest.as_bytes(), found + open) } else { found + end };
        rest.replace_range(found..from, "");
        from = found;
    }
    rest
}

/// A function: its name, the line of its `fn` (counted from 1), and its number of lines up to the closing brace.
#[derive(Debug, PartialEq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
}

/// Returns every function with a body.
pub(super) fn functions(text: &str) -> Vec<Function> {
    let code = code(text);
    let bytes = code.as_bytes();
    let line = |at: usize| 1 + bytes[..at].iter().filter(|b| **b == b'\n').count();
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() || at > 0 && word(bytes[at - 1]) {
            continue;
        }
        if let Some(open) = body(bytes, at) {
            let end = closed(bytes, open);
            found.push(Function { name, line: line(at), lines: line(end - 1) - line(at) + 1 });
        }
    }
    found
}

/// Position of the brace that opens the body of the function at `start`, unless a semicolon ends its declaration.
fn body(code: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.iter().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Returns the words of a line in lower case, each with its position. The parts of an identifier count as words.
pub(super) fn words(line: &str) -> impl Iterator<Item = (usize, String)> + '_ {
    let mut starts: Vec<usize> = Vec::new();
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        let begins = c.is_alphabetic() && (!before.is_alphabetic() || c.is_uppercase() && before.is_lowercase());
        starts.extend(begins.then_some(at));
        before = c;
    }
    starts.into_iter().map(|at| {
        let rest = &line[at..];
        let mut end = rest.len();
        let mut before = 'X';
        for (n, c) in rest.char_indices() {
            if !c.is_alphabetic() || c.is_uppercase() && before.is_lowercase() {
                end = n;
                break;
            }
            before = c;
        }
        (at, rest[..end].to_lowercase())
    })
}

#[test]
fn literals_and_comments_become_blank() {
    let text = "a /* { /* } */ */ \"{\\\"}\" b'{' '\\'' 'x' <'a> r#\"}\"# // {\nfn b";
    let code = code(text);
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "<'a>", "fn", "b"]);
    assert_eq!(code.chars().count(), text.chars().count());
    assert_eq!(code.lines().count(), 2);
}

#[test]
fn functions_are_measured_from_their_name_to_their_brace() {
    let text = "trait T { fn none(a: [u8; 2]); }\nfn one() -> [u8; 1] {\n  let f: fn(u8) = \"}\";\n}\nfn two() {}";
    let function = |name: &str, line, lines| Function { name: name.into(), line, lines };
    assert_eq!(functions(text), [function("one", 2, 3), function("two", 5, 1)]);
}

#[test]
fn test_modules_are_removed() {
    let text = "use a;\n#[cfg(test)]\nmod tests { fn a() {} }\n#[cfg(test)]\nmod more;\nfn b() {}";
    let rest = without_tests(text);
    assert!(!rest.contains("fn a") && !rest.contains("more") && rest.contains("use a") && rest.contains("fn b"));
}

#[test]
fn words_are_the_parts_of_identifiers_too() {
    let found: Vec<_> = words("let fooBar_baz = MAX_Len; über").map(|w| w.1).collect();
    assert_eq!(found, ["let", "foo", "bar", "baz", "max", "len", "über"]);
}

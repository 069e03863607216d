//! Tests of tables of classes: as people have them, and with a message for each defect.

use super::*;

fn files(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

fn read_with(text: &str, columns: [Option<&str>; 2], names: &[&str]) -> Result<FileLabels, String> {
    let [label_column, file_column] = columns;
    let source = LabelSource { path: Path::new("l.csv"), label_column, file_column };
    table(source, text, &files(names)).map_err(|e| e.to_string())
}

fn read(text: &str, column: Option<&str>, names: &[&str]) -> Result<FileLabels, String> {
    read_with(text, [column, None], names)
}

/// The classes of the files; `-` if a file has none.
fn classes(labels: &FileLabels) -> String {
    let class = |label: &FileLabel| label.as_ref().map_or("-", |l| &labels.classes[usize::from(*l)]).to_owned();
    labels.of_files.iter().map(class).collect::<Vec<_>>().join(" ")
}

#[test]
fn tables_with_and_without_headings_name_classes() {
    let names = ["a.png", "b, c.png", "d.png"];
    let with = read("file,kind\na.png,dog\n\"b, c.png\",\"cat \"\"x\"\"\"\ngone.png,dog\n", None, &names).unwrap();
    assert_eq!(with.classes, ["cat \"x\"", "dog"]);
    assert_eq!(classes(&with), "dog cat \"x\" -");
    let columns = "l.csv: files are in column file, classes in column kind";
    assert_eq!(with.notes, [columns, "1 row of l.csv matches no file; the first is line 4: gone.png"]);
    let plain = read("a.png;10\nd.png;9\n", None, &names).unwrap();
    assert_eq!((plain.classes.clone(), classes(&plain)), (vec!["9".into(), "10".into()], "10 - 9".into()));
    let wide = read("image_id  Bald Smiling\n a.png  1 -1\nd.png -1  1\n", Some("Smiling"), &names).unwrap();
    assert_eq!(classes(&wide), "-1 - 1");
}

#[test]
fn tables_of_other_programs_are_read() {
    let names = ["a.png", "b.png"];
    for (text, column) in [
        // The index that pandas writes by default; the class before the file; the class before a further column.
        (",file,class\n0,a.png,cat\n1,b.png,dog\n", None),
        ("class,file\ncat,a.png\ndog,b.png\n", None),
        ("file,x,class\na.png,1,cat\nb.png,2,dog\n", Some("class")),
        ("file,x,class\na.png,1,cat\nb.png,2,dog\n", Some("Class")),
        ("/data/lab/a.png\tcat\nC:\\lab\\b.png\tdog\n", None),
        ("a,cat\nb,dog\n", None),
        ("# made by me; 2020\nfile,class\na.png,cat\nb.png,dog\n", None),
        // CelebA's own table: a count, and no heading above the files.
        ("2\nBald kind\na.png 1 cat\nb.png -1 dog\n", Some("kind")),
        ("name;x,y\na.png;cat\nb.png;dog\n", None),
    ] {
        assert_eq!(read(text, column, &names).as_ref().map(classes), Ok("cat dog".into()), "{text}");
    }
    let decimals = read("name;x,y\na.png;0,5\nb.png;0,7\n", None, &names).unwrap();
    assert_eq!(classes(&decimals), "0,5 0,7");
    let columns = [Some("class"), Some("other")];
    let named = read_with("file,other,class\nb.png,a.png,cat\na.png,b.png,dog\n", columns, &names).unwrap();
    assert_eq!(classes(&named), "cat dog");
}

#[test]
fn rows_that_disagree_are_reported_and_their_file_is_skipped() {
    let labels = read("a.png,cat\nb.png,dog\na.png,dog\nb.png,dog\n", None, &["a.png", "b.png"]).unwrap();
    assert_eq!(classes(&labels), "- dog");
    assert_eq!(labels.classes, ["dog"]);
    let why = "two rows disagree: cat in line 1, dog in line 3";
    assert_eq!(labels.of_files[0], Err(why.to_owned()));
    let columns = "l.csv: files are in column 1, classes in column 2".to_owned();
    assert_eq!(labels.notes, [columns, format!("1 file of l.csv skipped, such as a.png: {why}")]);
}

#[test]
fn the_class_column_is_chosen_by_heading_and_by_values_and_both_columns_are_named() {
    let names: Vec<String> = (0..6).map(|i| format!("f{i}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let table = |heading: &str, row: &dyn Fn(usize) -> String| -> String {
        std::iter::once(heading.to_owned())
            .filter(|h| !h.is_empty())
            .chain((0..6).map(row))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let kind = |i: usize| ["cat", "dog"][i % 2];
    for (text, columns) in [
        (table("thumb,file,class", &|i| format!("f{i}.png,f{i}.png,{}", kind(i))), ["thumb", "class"]),
        (table("thumb,file,kind", &|i| format!("f{i}.png,f{i}.png,{}", kind(i))), ["thumb", "kind"]),
        (table("file,note,Class", &|i| format!("f{i}.png,note {},{}", i / 3, kind(i))), ["file", "Class"]),
        (table("file,note,kind", &|i| format!("f{i}.png,note {i},{}", kind(i))), ["file", "kind"]),
        (table("label,x,file", &|i| format!("{},{},f{i}.png", kind(i), i / 3)), ["file", "label"]),
        (table("", &|i| format!("f{i}.png,note {i},{}", kind(i))), ["1", "3"]),
        (table("a kind", &|i| format!("f{i}.png {i} {}", kind(i))), ["1", "kind"]),
    ] {
        let labels = read(&text, None, &names).unwrap();
        assert_eq!(classes(&labels), "cat dog cat dog cat dog", "{text}");
        let [file, class] = columns;
        assert_eq!(labels.notes, [format!("l.csv: files are in column {file}, classes in column {class}")]);
    }
    // Nothing better than the column after the files.
    let labels = read(&table("file,note", &|i| format!("f{i}.png,note {i}")), None, &names).unwrap();
    assert_eq!(labels.classes.len(), 6);
}

#[test]
fn files_of_one_name_in_several_folders_are_distinguished() {
    let names = ["x/1.png", "y/1.png"];
    let labels = read("x/1.png,up\ny/1.png,down\n", None, &names).unwrap();
    assert_eq!(classes(&labels), "up down");
    assert!(read("file,class\n1.png,up\n", None, &names).unwrap_err().contains("none of which names a file"));
}

#[test]
fn invalid_tables_are_refused() {
    let names = ["a.png"];
    for (text, columns, expected) in [
        ("", [None; 2], "an empty file"),
        ("a.png\n", [None; 2], "line 1: a.png"),
        ("a.png,dog\na.png,\n", [None; 2], "line 2"),
        ("file,kind\na.png,dog\n", [Some("color"), None], "the columns file, kind"),
        ("file,kind\na.png,dog\n", [None, Some("path")], "--file-column"),
        ("file,kind\na.png,dog\n", [Some("file"), None], "column 1 for both"),
        ("z.png,dog\ny.png,cat\n", [None; 2], "line 2 names y.png, a file is a.png"),
        ("id,name,kind\n7,z.png,dog\n", [None; 2], "--file-column, one of id, name, kind"),
        ("name,kind\n", [None; 2], "no rows below"),
        ("a.png,\"cat\nb.png,dog\n", [None; 2], "line 1: a quote that is not closed"),
        ("a.png,cat\nb.png,\"dog\nc.png,\"cat\n", [None; 2], "line 2: a quote"),
        ("file,class\na.png,\"cat\nb.png,dog\"\n", [None; 2], "line 2: a quote"),
    ] {
        let message = read_with(text, columns, &names).unwrap_err();
        assert!(
            message.contains(expected) && message.contains("l.csv") && message.lines().count() == 4,
            "{expected}: {message}"
        );
    }
    let many: Vec<String> = (0..300).map(|i| format!("{i}.png")).collect();
    let rows: String = many.iter().map(|name| format!("{name},class of {name}\n")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(read(&rows, None, &many).unwrap_err().contains("300 classes"));
}

//! The page of an experiment: explanation, figures and numbers.
use super::page::{document, section, table};
use crate::draw::svg::escape;
use crate::lab::{AboutExperiment, LabResults};

/// What the page of an experiment shows.
#[derive(Clone, Copy, Debug)]
pub struct ExperimentPage<'a> {
    /// The experiment in words.
    pub about: &'a AboutExperiment,
    /// Its results.
    pub results: &'a LabResults,
    /// Names of the files with figures, which are in the folder of the page.
    pub figures: &'a [String],
    /// Names of the files with numbers.
    pub numbers: &'a [&'a str],
}

impl ExperimentPage<'_> {
    /// Returns the page as HTML, which refers to the figures by name.
    pub fn html(&self) -> String {
        let Self { about, results, figures, numbers } = self;
        let mut body = format!(
            "<h1>{}</h1><p class=\"lead\">cargo xtask lab {}</p><p>{}</p>",
            escape(about.question),
            about.name,
            escape(about.explanation)
        );
        if results.stopped {
            body += "<p><strong>The experiment was stopped: this page shows the part that was finished.</strong></p>";
        }
        let links: Vec<String> = numbers.iter().map(|n| format!("<a href=\"{0}\">{0}</a>", escape(n))).collect();
        let header: Vec<String> = results.table.headings.iter().map(|h| h.trim_start_matches('>').to_owned()).collect();
        let notes: String = results.notes.iter().map(|note| format!("<p>{}</p>", escape(note))).collect();
        let links = format!("<p>The same numbers as files: {}</p>", links.join(", "));
        body += &section("Numbers", &(table(&header, &results.table.rows) + &notes + &links));
        let shown: String = shown(figures).map(|name| figure(name)).collect();
        if !shown.is_empty() {
            body += &section("Figures", &shown);
        }
        document(about.question, &body)
    }
}

/// Returns the figures to show: of one that exists as SVG and as PNG, the SVG.
fn shown(figures: &[String]) -> impl Iterator<Item = &String> {
    figures.iter().filter(|name| {
        let vector = name.strip_suffix(".png").map(|stem| format!("{stem}.svg"));
        vector.is_none_or(|vector| !figures.contains(&vector))
    })
}

fn figure(name: &str) -> String {
    let (name, stem) = (escape(name), escape(name.rsplit_once('.').map_or(name, |parts| parts.0)));
    format!("<figure class=\"file\"><img alt=\"{stem}\" src=\"{name}\"><figcaption>{stem}</figcaption></figure>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{EXPERIMENTS, ResultTable};

    #[test]
    fn a_page_explains_the_experiment_and_shows_each_figure_once() {
        let mut table = ResultTable::new(&["method", ">modes"]);
        table.push(["minimax <1>".into(), "8".into()]);
        let results = LabResults { table, notes: vec!["over 1 & 2".into()], ..LabResults::default() };
        let figures = ["ring.png", "curve.png", "curve.svg"].map(str::to_owned);
        let page =
            ExperimentPage { about: &EXPERIMENTS[0], results: &results, figures: &figures, numbers: &["results.json"] };
        let html = page.html();
        for part in
            ["minimax &lt;1&gt;", "over 1 &amp; 2", "src=\"ring.png\"", "src=\"curve.svg\"", "href=\"results.json\""]
        {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("curve.png") && html.contains(EXPERIMENTS[0].explanation) && !html.contains("stopped"));
    }
}

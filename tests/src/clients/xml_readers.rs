//! XML parsers of the languages in which sites have processed serverInfoXML.

use std::fs;

use crate::balancer::folder;
use crate::binaries;
use crate::process;
use crate::wait::PATIENCE;

/// A program that reads the XML and prints one line per edge: `serverId redirect status connectCount redirectCount`.
#[derive(Debug)]
pub struct XmlReader {
    /// The language and its parser.
    pub name: &'static str,
    program: &'static str,
    options: &'static [&'static str],
    script: &'static str,
}

/// Parsers with different results; XML::Simple returns a hash for one edge and an array for several.
pub const XML_READERS: [XmlReader; 3] = [
    XmlReader { name: "Perl, XML::Simple", program: "perl", options: &["-e"], script: PERL },
    XmlReader { name: "PHP, simplexml", program: "php", options: &["-r"], script: PHP },
    XmlReader { name: "Python, ElementTree", program: "python3", options: &["-c"], script: PYTHON },
];

const PERL: &str = r#"
use strict; use warnings; use XML::Simple;
my $edges = XMLin($ARGV[0])->{LoadBalancerServer};
$edges = [$edges] if ref $edges eq 'HASH';
print join(' ', @$_{qw(serverId redirect status connectCount redirectCount)}), "\n" for @$edges;
"#;

const PHP: &str = r#"
$page = simplexml_load_file($argv[1]);
if ($page === false) exit(1); // an empty page is false, too, by ==
foreach ($page->LoadBalancerServer as $edge)
    echo "$edge->serverId $edge->redirect $edge->status $edge->connectCount $edge->redirectCount\n";
"#;

const PYTHON: &str = r#"
import sys
from xml.etree import ElementTree
for edge in ElementTree.parse(sys.argv[1]).getroot().findall("LoadBalancerServer"):
    print(*(edge.findtext(name) for name in "serverId redirect status connectCount redirectCount".split()))
"#;

impl XmlReader {
    /// The lines that it prints for this XML, sorted.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    #[must_use]
    pub fn read(&self, page: &str) -> Vec<String> {
        let folder = folder();
        let file = folder.path().join("page.xml");
        fs::write(&file, page).expect("write the page");
        let mut command = process::command(binaries::installed(self.program));
        command.args(self.options).arg(self.script);
        // PHP takes the arguments as its own options without this separator, which the others do not support.
        if self.program == "php" {
            command.arg("--");
        }
        command.arg(file);
        let finished = process::run(command, PATIENCE).expect_success();
        assert_eq!(finished.stderr, "", "{} complains", self.name);
        let mut lines: Vec<String> = finished.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

use super::Row;

/// The columns, as wide as most of what stands in them; numbers stand on the right.
const COLUMNS: [(&str, usize, bool); 8] = [
    ("measure", 50, false),
    ("value", 10, true),
    ("unit", 7, false),
    ("beside", 10, true),
    ("ratio", 8, true),
    ("spread", 16, false),
    ("aim", 14, false),
    ("holds", 5, false),
];

/// The rows as a table in Markdown, so that it can be pasted where it is told of; notes below it.
pub(super) fn table(rows: &[Row]) -> String {
    let mut lines = vec![
        String::new(),
        line(COLUMNS.map(|(name, ..)| name.to_owned())),
    ];
    let rules = COLUMNS.map(|(_, width, right)| {
        let end = if right { ":" } else { "-" };
        format!("{}{end}", "-".repeat(width + 1))
    });
    lines.push(format!("|{}|", rules.join("|")));
    lines.extend(rows.iter().map(|row| line(cells(row))));
    let notes = rows
        .iter()
        .filter_map(|row| Some((row, row.note.as_ref()?)));
    let notes: Vec<_> = notes
        .map(|(row, note)| format!("- `{}`: {note}", row.measure))
        .collect();
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn cells(row: &Row) -> [String; 8] {
    let number = |value: Option<f64>| value.map_or(String::new(), |it| it.to_string());
    let spread = row
        .spread
        .map_or(String::new(), |[least, most]| format!("{least}..{most}"));
    let holds = row.holds.map_or("", |it| if it { "yes" } else { "NO" });
    [
        row.measure.clone(),
        number(row.value),
        row.unit.to_owned(),
        number(row.beside),
        number(row.ratio),
        spread,
        row.aim.clone().unwrap_or_default(),
        holds.to_owned(),
    ]
}

fn line(cells: [String; 8]) -> String {
    let cells = cells.into_iter().zip(COLUMNS);
    let padded: Vec<_> = cells
        .map(|(cell, (_, width, right))| {
            if right {
                format!(" {cell:>width$} ")
            } else {
                format!(" {cell:<width$} ")
            }
        })
        .collect();
    format!("|{}|", padded.join("|"))
}

//! Results as columns: what CSV and Parquet files are written from.

/// A table of named columns of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<(String, Column)>,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Words.
    Text(Vec<String>),
    /// Whole numbers.
    Whole(Vec<u64>),
    /// Numbers; one that is none is empty.
    Number(Vec<f64>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Column::Text(values) => values.len(),
            Column::Whole(values) => values.len(),
            Column::Number(values) => values.len(),
        }
    }

    fn cell(&self, row: usize) -> String {
        match self {
            Column::Text(values) => values.get(row).cloned(),
            Column::Whole(values) => values.get(row).map(u64::to_string),
            Column::Number(values) => values.get(row).filter(|value| value.is_finite()).map(f64::to_string),
        }
        .unwrap_or_default()
    }
}

impl Table {
    /// Adds a column.
    pub fn add(&mut self, name: impl Into<String>, column: Column) {
        self.columns.push((name.into(), column));
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[(String, Column)] {
        &self.columns
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.columns.iter().map(|(_, column)| column.len()).max().unwrap_or(0)
    }

    /// The table as CSV, with the names in the first line.
    ///
    /// Errors: none that writing into memory knows; a table without columns is empty.
    pub fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        if self.columns.is_empty() {
            return Ok(Vec::new());
        }
        writer.write_record(self.columns.iter().map(|(name, _)| name))?;
        for row in 0..self.rows() {
            writer.write_record(self.columns.iter().map(|(_, column)| column.cell(row)))?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_keeps_every_digit_and_leaves_out_what_is_no_number() {
        let mut table = Table::default();
        table.add("who", Column::Text(vec!["a, \"b\"".into(), "c".into()]));
        table.add("n", Column::Whole(vec![u64::MAX, 0]));
        table.add("x", Column::Number(vec![0.1 + 0.2, f64::NAN]));
        let csv = String::from_utf8(table.csv().unwrap()).unwrap();
        assert_eq!(csv, "who,n,x\n\"a, \"\"b\"\"\",18446744073709551615,0.30000000000000004\nc,0,\n");
        assert_eq!(Table::default().csv().unwrap(), b"");
    }
}

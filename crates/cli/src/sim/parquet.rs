//! Tables as Parquet files.

use golem_sim::experiment::table::{Column, Table};
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::sync::Arc;

/// The table as a file. Text is required; a number that is none is null.
pub fn bytes(table: &Table) -> Result<Vec<u8>> {
    let fields = table.columns().iter().map(|(name, column)| field(name, column).map(Arc::new));
    let schema = Type::group_type_builder("rows").with_fields(fields.collect::<Result<_>>()?).build()?;
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(WriterProperties::default()))?;
    let mut rows = writer.next_row_group()?;
    for (_, column) in table.columns() {
        let Some(mut writer) = rows.next_column()? else { break };
        match column {
            Column::Text(values) => {
                let values: Vec<ByteArray> = values.iter().map(|text| ByteArray::from(text.as_str())).collect();
                writer.typed::<ByteArrayType>().write_batch(&values, None, None)?;
            }
            Column::Whole(values) => {
                let values: Vec<i64> = values.iter().map(|value| value.cast_signed()).collect();
                writer.typed::<Int64Type>().write_batch(&values, None, None)?;
            }
            Column::Number(values) => {
                let there: Vec<i16> = values.iter().map(|value| i16::from(value.is_finite())).collect();
                let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
                writer.typed::<DoubleType>().write_batch(&values, Some(&there), None)?;
            }
        }
        writer.close()?;
    }
    rows.close()?;
    writer.into_inner()
}

fn field(name: &str, column: &Column) -> Result<Type> {
    let (physical, logical, repetition) = match column {
        Column::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::REQUIRED),
        Column::Whole(_) => {
            let unsigned = LogicalType::integer(64, false);
            (Physical::INT64, Some(unsigned), Repetition::REQUIRED)
        }
        Column::Number(_) => (Physical::DOUBLE, None, Repetition::OPTIONAL),
    };
    Type::primitive_type_builder(name, physical)
        .with_logical_type(logical)
        .with_converted_type(ConvertedType::NONE)
        .with_repetition(repetition)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    #[test]
    fn another_reader_finds_what_was_written() {
        let mut table = Table::default();
        table.add("who", Column::Text(vec!["a".into(), "é".into(), "a".into()]));
        table.add("n", Column::Whole(vec![1, u64::MAX, 0]));
        table.add("x", Column::Number(vec![0.5, f64::NAN, 2.5]));
        let written: Vec<u8> = bytes(&table).unwrap();
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), &written).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(path.path()).unwrap()).unwrap();
        let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(
            rows,
            [
                "{who: \"a\", n: 1, x: 0.5}",
                "{who: \"é\", n: 18446744073709551615, x: null}",
                "{who: \"a\", n: 0, x: 2.5}"
            ]
        );
        assert_eq!(bytes(&table).unwrap(), written);
        assert!(!bytes(&Table::default()).unwrap().is_empty());
    }
}

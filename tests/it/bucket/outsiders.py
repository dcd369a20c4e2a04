# Reads the blocks of a bucket through the published listing: pyarrow speaks S3, DuckDB does the SQL.
import json
import os
import sys

import duckdb
import pyarrow
import pyarrow.fs
import pyarrow.parquet

endpoint, url = sys.argv[1:]
root = url.removeprefix("s3://")
s3 = pyarrow.fs.S3FileSystem(
    endpoint_override=endpoint,
    region=os.environ["AWS_REGION"],
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
)
with s3.open_input_stream(f"{root}/published/tenant=default/metrics.json") as file:
    listing = json.load(file)
tables = []
for block in listing["blocks"]:
    if block["kind"] == "slices":
        table = pyarrow.parquet.read_table(f"{root}/{block['object']}", filesystem=s3)
        name = pyarrow.array([block["object"]] * table.num_rows)
        tables.append(table.append_column("filename", name))
slices = pyarrow.concat_tables(tables, promote_options="permissive")
db = duckdb.connect()
db.register("slices", slices)
db.execute("""
CREATE VIEW samples AS
SELECT s.metric,
       unnest(list_slice(t.ts, s.ts_offset + 1, s.ts_offset + s.n)) AS ts,
       unnest(coalesce(s.vf, list_transform(s.vi, lambda m: m::DOUBLE / (10::DOUBLE ** s.scale)))) AS value
FROM slices s JOIN slices t ON t.filename = s.filename AND t.row_id = s.timeline AND t.timeline IS NULL
WHERE s.timeline IS NOT NULL AND (s.vi IS NOT NULL OR s.vf IS NOT NULL)
""")
count, total = db.execute("SELECT count(*), sum(value) FROM samples WHERE metric = 'load'").fetchone()
print(count, repr(total))

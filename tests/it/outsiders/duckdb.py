# Reads the blocks of a data folder through the published listing, with the views of the README.
import sys

import duckdb

data = sys.argv[1]
listing = f"{data}/bucket/published/tenant=default/metrics.json"
db = duckdb.connect()
db.execute(f"""
SET VARIABLE blocks = (SELECT list('{data}/bucket/' || b.object) FROM
  (SELECT unnest(blocks) AS b FROM read_json('{listing}')) WHERE b.kind = 'slices')
""")
db.execute("""
CREATE VIEW slices AS
  SELECT * FROM read_parquet(getvariable('blocks'), union_by_name = true, filename = true)
""")
db.execute("""
CREATE VIEW samples AS
SELECT s.* EXCLUDE (row_id, timeline, ts_offset, n, scale, stale, ts, vi, vf, filename),
       unnest(list_slice(t.ts, s.ts_offset + 1, s.ts_offset + s.n)) AS ts,
       unnest(coalesce(s.vf, list_transform(s.vi, lambda m: m::DOUBLE / (10::DOUBLE ** s.scale)))) AS value
FROM slices s JOIN slices t ON t.filename = s.filename AND t.row_id = s.timeline AND t.timeline IS NULL
WHERE s.timeline IS NOT NULL AND (s.vi IS NOT NULL OR s.vf IS NOT NULL)
""")
count, total, hosts = db.execute(
    "SELECT count(*), sum(value), count(DISTINCT l_host) FROM samples WHERE metric = 'load'"
).fetchone()
(slices,) = db.execute("SELECT sum(n) FROM slices WHERE metric = 'load'").fetchone()
assert slices == count, (slices, count)
print(count, repr(total), hosts)

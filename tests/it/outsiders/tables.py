"""Counts, sums and groups the published logs and spans with DuckDB; prints one JSON list a line."""

import json
import sys

import duckdb

data = sys.argv[1]
con = duckdb.connect()


def view(name, signal, kind):
    listing = f"{data}/bucket/published/tenant=default/{signal}.json"
    con.execute(
        f"""SET VARIABLE blocks = (SELECT list('{data}/bucket/' || b.object)
        FROM (SELECT unnest(blocks) AS b FROM read_json('{listing}')) WHERE b.kind = '{kind}')"""
    )
    con.execute(
        f"""CREATE TABLE {name} AS
        SELECT * FROM read_parquet(getvariable('blocks'), union_by_name = true)"""
    )


view("logs", "logs", "logs")
view("spans", "traces", "spans")
# A promoted attribute is a column; rows with a value of another type keep theirs in the map.
route = """coalesce("a_http.route", attributes['http.route'])"""
status = """coalesce("ai_http.status", attributes['http.status']::BIGINT)"""
for query in [
    "SELECT count(*), count(trace_id), sum(severity_number), min(epoch_us(timestamp)), max(epoch_us(timestamp)) FROM logs",
    f"SELECT service_name, {route}, count(*), sum({status}) FROM logs GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT json_extract_string(resource, '$.attributes.\"host.name\"'), count(*) FROM logs GROUP BY 1 ORDER BY 1",
    "SELECT attributes['rare'], count(*) FROM logs WHERE attributes['rare'] IS NOT NULL GROUP BY 1 ORDER BY 1",
    "SELECT count(*), sum(duration_ns), count(parent_span_id), sum(status) FROM spans",
    "SELECT count(*) FROM spans c JOIN spans p ON c.trace_id = p.trace_id AND c.parent_span_id = p.span_id",
    "SELECT name, count(*), max(duration_ns) FROM spans GROUP BY 1 ORDER BY 1",
    "SELECT count(*) FROM (SELECT unnest(events) FROM spans)",
    "SELECT lower(hex(trace_id)), count(*) FROM spans GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5",
]:
    print(json.dumps(con.execute(query).fetchall()))

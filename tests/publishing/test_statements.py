"""What the text of a statement says about the table that it writes."""

import pytest

from stream_events.publishing.statements import plain_name, writes_in

CREATE, UPDATE, DELETE = {"create"}, {"update"}, {"delete"}


@pytest.mark.parametrize(
    ("sql", "table", "actions"),
    [
        ('INSERT INTO "shop_order" ("number") VALUES (%s)', "shop_order", CREATE),
        ('INSERT OR IGNORE INTO "shop_order" VALUES (1)', "shop_order", CREATE),
        ("INSERT IGNORE INTO `shop_order` VALUES (1)", "shop_order", CREATE),
        ("insert into shop_order select * from elsewhere", "shop_order", CREATE),
        ("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO NOTHING", "t", CREATE),
        ("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", "t", CREATE | UPDATE),
        ("INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE orders = 2", "t", CREATE | UPDATE),
        ("REPLACE INTO t VALUES (1)", "t", CREATE | UPDATE),
        ('UPDATE "shop_order" SET "number" = %s', "shop_order", UPDATE),
        ('UPDATE ONLY "public"."shop_order" SET number = 1', "shop_order", UPDATE),
        ("UPDATE OR IGNORE [shop_order] SET number = 1", "shop_order", UPDATE),
        ('  \n/* why */ -- and how\nupdate\n  "shop_order"\nset number = 1', "shop_order", UPDATE),
        ('DELETE FROM "shop_order" WHERE 1', "shop_order", DELETE),
        ("DELETE `shop_order` FROM `shop_order` INNER JOIN b", "shop_order", DELETE),
        ("TRUNCATE TABLE Shop_Order", "shop_order", DELETE),
        ('WITH x AS (SELECT 1) UPDATE "t" SET a = 1', "t", UPDATE),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "t", DELETE),
    ],
)
def test_a_write_has_its_table_and_actions(sql, table, actions):
    (write,) = writes_in(sql)
    assert (write.table, write.actions) == (table, actions)


def test_several_statements_are_several_writes():
    sql = 'DELETE FROM a; UPDATE b SET "update" = 1; INSERT INTO c VALUES (1)'
    assert [write.table for write in writes_in(sql)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT * FROM "shop_order" FOR UPDATE',
        "SAVEPOINT s1",
        "BEGIN",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "WITH x AS (SELECT * FROM t FOR UPDATE) SELECT * FROM x",
        "CREATE TRIGGER a AFTER INSERT ON b BEGIN UPDATE shop_order SET c = 1; END",
        "EXPLAIN UPDATE t SET a = 1",
        "",
    ],
)
def test_other_statements_write_nothing(sql):
    assert list(writes_in(sql)) == []


@pytest.mark.parametrize(
    ("assignment", "assigned"),
    [
        ('"status" = %s WHERE "id" = 1', True),
        ("Status = 'x'", True),
        ('"shop_status" = %s, statuses = 1', False),
        ('"number" = %s\nWHERE "status" = 2', False),
        ('"number" = (SELECT 1 WHERE 1), "status" = 2 WHERE 1', True),
    ],
)
def test_an_update_assigns_what_stands_before_its_condition(assignment, assigned):
    (write,) = writes_in(f'UPDATE "shop_order" SET {assignment}')
    assert write.assigns("status") is assigned


def test_names_of_tables_are_compared_without_schema_and_quotes():
    assert plain_name('"Sales"."Shop_Order"') == plain_name("shop_order")

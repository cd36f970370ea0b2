import functools
from unittest.mock import Mock

import pytest

from stream_events import handler
from stream_events.exceptions import ConfigurationError
from stream_events.keys import NO_GROUP


def on_order(event):
    pass


def other(event):
    pass


async def on_order_async(event):
    pass


def generator(event):
    yield event


def no_argument():
    pass


def two_arguments(event, extra):
    pass


class Callable:
    def __call__(self, event):
        pass


def only_problem(registry):
    assert not list(registry)
    (problem,) = registry.problems
    return problem


def test_a_registered_handler_is_found_by_stream_and_group(registry):
    assert registry.register(on_order, stream="orders", group="billing") is on_order
    (found,) = registry.find("orders", "billing")
    assert (found.func, found.name) == (on_order, "tests.test_registry.on_order")
    assert registry.groups() == [("orders", "billing")]


def test_the_decorator_returns_the_function_itself(registry):
    assert handler("orders", group="billing", actions=["create"])(on_order_async) is on_order_async
    (found,) = registry.find("orders", "billing")
    assert found.actions == {"create"}


@pytest.mark.parametrize("func", [Callable(), functools.partial(two_arguments, extra=1), print])
def test_anything_that_takes_one_event_can_be_a_handler(registry, func):
    registry.register(func, stream="orders", group="billing", name="one")
    assert not registry.problems


def test_an_object_with_endless_attributes_is_no_trap(registry):
    registry.register(Mock(), stream="orders", group="billing", name="mock")
    assert len(list(registry)) == 1


def test_the_same_registration_twice_is_no_error(registry):
    for _ in range(2):
        registry.register(on_order, stream="orders", group="billing", obj_type="shop.order", actions=["create"])
    assert len(list(registry)) == 1
    assert not registry.problems


def test_one_function_may_serve_several_groups(registry):
    registry.register(on_order, stream="orders", group="billing")
    registry.register(on_order, stream="orders", group="shipping")
    assert len(registry.groups()) == 2


def test_a_name_that_is_taken_is_a_problem(registry):
    registry.register(on_order, stream="orders", group="billing", name="one")
    registry.register(other, stream="orders", group="billing", name="one")
    (problem,) = registry.problems
    assert "tests.test_registry.on_order" in problem.text
    assert "name=" in problem.hint


@pytest.mark.parametrize(
    ("func", "reason"),
    [
        (generator, "generator"),
        (no_argument, "one event"),
        (two_arguments, "one event"),
        ("create_invoice", "cannot be called"),
    ],
)
def test_functions_that_cannot_handle_an_event_are_problems(registry, func, reason):
    registry.register(func, stream="orders", group="billing")
    assert reason in only_problem(registry).text


@pytest.mark.parametrize(
    "options",
    [
        {"group": "a:b"},
        {"stream": "{}"},
        {"actions": "create"},
        {"actions": []},
        {"actions": [1]},
        {"actions": 5},
        {"obj_type": 5},
        {"obj_type": ""},
        {"obj_type": []},
    ],
)
def test_options_that_cannot_work_are_problems(registry, options):
    registry.register(on_order, **{"stream": "orders", "group": "billing", **options})
    assert "tests.test_registry.on_order" in only_problem(registry).text


@pytest.mark.parametrize(
    ("options", "obj_type", "action", "expected"),
    [
        ({}, "shop.order", "create", True),
        ({"obj_type": "shop.Order"}, "shop.order", "create", True),
        ({"obj_type": ["shop.order", "shop.parcel"]}, "shop.parcel", "create", True),
        ({"obj_type": "shop.order"}, "shop.parcel", "create", False),
        ({"actions": {"create", "delete"}}, "shop.order", "delete", True),
        ({"actions": ("create",)}, "shop.order", "delete", False),
    ],
)
def test_filters_by_type_and_action(registry, options, obj_type, action, expected):
    registry.register(on_order, stream="orders", group="billing", **options)
    assert registry.find("orders", "billing")[0].matches(obj_type, action) is expected


def test_an_unknown_group_is_answered_with_what_is_registered(registry):
    registry.register(on_order, stream="orders", group="billing")
    registry.register(on_order, stream="users", group="crm")
    with pytest.raises(ConfigurationError, match="Did you mean: orders billing") as caught:
        registry.find("orders", "biling")
    assert "users crm" in str(caught.value)


def test_an_empty_registry_says_how_to_register(registry):
    with pytest.raises(ConfigurationError, match=r"handlers\.register"):
        registry.find("orders", "billing")


def test_a_handler_without_a_group_belongs_to_no_group(registry):
    registry.register(on_order, stream="orders", group=None, obj_type="shop.order", actions=["create"], atomic=True)
    handler("users", group=None)(other)
    assert not registry.problems
    (found,) = registry.find("orders", NO_GROUP)
    assert (found.group, found.atomic) == ("", "default")
    assert registry.groups() == []
    assert registry.streams() == {"orders", "users"}


def test_an_empty_group_is_no_way_to_say_none(registry):
    registry.register(on_order, stream="orders", group="")
    assert "A group name is a non-empty string" in only_problem(registry).text


@pytest.mark.parametrize(
    "options", [{"once": True}, {"batch": 5}, {"max_deliveries": 5}, {"backoff": 5}, {"timeout": 5}], ids=str
)
def test_options_that_need_a_group_are_problems_without_one(registry, options):
    registry.register(on_order, stream="orders", group=None, **options)
    assert f"{next(iter(options))} works in a group only" in only_problem(registry).text


def test_a_stream_without_handlers_that_need_no_group_is_answered_with_what_is_registered(registry):
    registry.register(on_order, stream="orders", group="billing")
    registry.register(on_order, stream="users", group=None)
    with pytest.raises(ConfigurationError, match=r"stream 'orders' without a group \(group=None\)") as caught:
        registry.find("orders", NO_GROUP)
    assert "  orders billing\n  users --no-group" in str(caught.value)

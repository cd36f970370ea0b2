"""Many-to-many relations, told as events of the object that has the field."""

import json

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models.signals import m2m_changed
from django.test.utils import isolate_apps

from stream_events import StreamPublisher, suppress
from tests.market.models import Article, Boat, Draft, Essay, Hull, Mention, Tag

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture
def tags(server):
    return [Tag.objects.create(name=name) for name in ("x", "y", "z")]


@pytest.fixture
def article(tags):
    return Article.objects.create(name="a")


@pytest.fixture
def told(entries):
    """Action, object, field and keys of the events in a stream."""

    def read(stream="labelled"):
        return [
            (event["action"], event["obj_id"], event["data"]["field"], event["data"]["ids"])
            for event in entries(stream)
        ]

    return read


def keys(objects):
    return [one.pk for one in objects]


class TestFromTheObjectThatHasTheField:
    def test_add_tells_what_was_added(self, article, tags, told, entries):
        article.tags.add(tags[1], tags[0].pk)
        article.tags.add(*tags)
        assert told() == [
            ("m2m_add", article.pk, "tags", keys(tags[:2])),
            ("m2m_add", article.pk, "tags", keys(tags[2:])),
        ]
        assert entries("labelled")[0]["obj_type"] == "market.article"

    def test_adding_what_is_there_or_nothing_is_not_told(self, article, tags, told):
        with suppress():
            article.tags.add(*tags)
        article.tags.add(*tags)
        article.tags.add()
        assert told() == []

    def test_remove_tells_what_was_removed(self, article, tags, told):
        with suppress():
            article.tags.add(*tags[:2])
        article.tags.remove(*tags)
        article.tags.remove(tags[0])
        assert told() == [("m2m_remove", article.pk, "tags", keys(tags[:2]))]

    def test_clear_tells_what_was_there(self, article, tags, told):
        with suppress():
            article.tags.add(*tags)
        article.tags.clear()
        article.tags.clear()
        assert told() == [("m2m_clear", article.pk, "tags", keys(tags))]

    def test_set_tells_the_difference(self, article, tags, told):
        with suppress():
            article.tags.set(tags[:2])
        article.tags.set(tags[1:])
        article.tags.set(tags[1:])
        assert told() == [
            ("m2m_remove", article.pk, "tags", keys(tags[:1])),
            ("m2m_add", article.pk, "tags", keys(tags[2:])),
        ]

    def test_set_that_clears_first(self, article, tags, told):
        with suppress():
            article.tags.set(tags[:1])
        article.tags.set(tags[1:2], clear=True)
        assert told() == [
            ("m2m_clear", article.pk, "tags", keys(tags[:1])),
            ("m2m_add", article.pk, "tags", keys(tags[1:2])),
        ]

    def test_creating_through_the_relation(self, article, told):
        tag = article.tags.create(name="new")
        assert told() == [("m2m_add", article.pk, "tags", [tag.pk])]

    def test_links_that_went_with_their_tag_are_not_told(self, article, tags, told):
        with suppress():
            article.tags.set(tags)
        tags[0].delete()  # Django sends no signal for the link
        article.tags.remove(tags[1])
        assert told() == [("m2m_remove", article.pk, "tags", keys(tags[1:2]))]


class TestFromTheOtherSide:
    def test_add_tells_each_object_that_has_the_field(self, tags, told):
        articles = [Article.objects.create(name=name) for name in "ab"]
        tags[0].article_set.add(*articles)
        assert told() == [("m2m_add", one.pk, "tags", [tags[0].pk]) for one in articles]

    @pytest.mark.parametrize(
        ("change", "action"),
        [
            (lambda tag, articles: tag.article_set.remove(*articles), "m2m_remove"),
            (lambda tag, articles: tag.article_set.clear(), "m2m_clear"),
            (lambda tag, articles: tag.article_set.set([]), "m2m_remove"),
        ],
    )
    def test_removals_tell_each_object_that_had_it(self, tags, told, change, action):
        articles = [Article.objects.create(name=name) for name in "ab"]
        stranger = Article.objects.create(name="c")
        with suppress():
            tags[0].article_set.set(articles)
        change(tags[0], [*articles, stranger])
        assert told() == [(action, one.pk, "tags", [tags[0].pk]) for one in articles]


class TestToItsOwnKind:
    def test_without_a_direction_both_have_changed(self, server, told):
        ada, bob = (Article.objects.create(name=name) for name in "ab")
        ada.friends.add(bob)
        bob.friends.remove(ada)
        ada.friends.set([bob])
        ada.friends.clear()
        assert sorted(told()[:2]) == [
            ("m2m_add", ada.pk, "friends", [bob.pk]),
            ("m2m_add", bob.pk, "friends", [ada.pk]),
        ]
        assert [(action, key) for action, key, *_ in told()[2:]] == [
            ("m2m_remove", bob.pk),
            ("m2m_remove", ada.pk),
            ("m2m_add", ada.pk),
            ("m2m_add", bob.pk),
            ("m2m_clear", ada.pk),
            ("m2m_clear", bob.pk),
        ]

    def test_with_itself_is_told_once(self, server, told):
        ada = Article.objects.create(name="a")
        ada.friends.add(ada)
        assert told() == [("m2m_add", ada.pk, "friends", [ada.pk])]

    def test_with_a_direction_only_one_has_changed(self, server, told):
        ada, bob = (Article.objects.create(name=name) for name in "ab")
        ada.follows.add(bob)
        bob.followers.remove(ada)
        assert told() == [
            ("m2m_add", ada.pk, "follows", [bob.pk]),
            ("m2m_remove", ada.pk, "follows", [bob.pk]),
        ]


class TestThroughAModelOfItsOwn:
    def test_keys_are_primary_keys_whatever_the_links_refer_to(self, article, tags, told):
        article.mentions.add(tags[0], through_defaults={"weight": 5})
        assert Mention.objects.get().weight == 5
        article.mentions.remove(tags[0])
        assert told() == [
            ("m2m_add", article.pk, "mentions", [tags[0].pk]),
            ("m2m_remove", article.pk, "mentions", [tags[0].pk]),
        ]

    def test_from_the_other_side(self, article, tags, told):
        tags[0].mentioned_by.add(article)
        tags[0].mentioned_by.clear()
        assert told() == [
            ("m2m_add", article.pk, "mentions", [tags[0].pk]),
            ("m2m_clear", article.pk, "mentions", [tags[0].pk]),
        ]

    def test_several_links_with_one_object_are_one(self, article, tags, told):
        Mention.objects.create(article=article, tag=tags[0])
        Mention.objects.create(article=article, tag=tags[0])
        article.mentions.clear()
        assert told() == [("m2m_clear", article.pk, "mentions", [tags[0].pk])]


class TestInheritance:
    def test_a_child_tells_as_the_model_that_declares(self, tags, told, entries):
        essay = Essay.objects.create(name="e")
        essay.tags.add(tags[0])
        tags[0].article_set.remove(essay)
        assert [(event["obj_type"], event["action"]) for event in entries("labelled")] == [
            ("market.article", "m2m_add"),
            ("market.article", "m2m_remove"),
        ]

    def test_a_child_whose_key_is_another(self, tags, told, server):
        boat = Boat.objects.create(engine_id=10**6, name="Ada", colour="red")
        assert boat.pk != boat.hull_id
        server.flushall()
        boat.ports.add(*tags)
        boat.ports.remove(tags[0])
        tags[1].hull_set.remove(Hull.objects.get())
        boat.ports.clear()
        assert told("hulls") == [
            ("m2m_add", boat.hull_id, "ports", keys(tags)),
            ("m2m_remove", boat.hull_id, "ports", keys(tags[:1])),
            ("m2m_remove", boat.hull_id, "ports", keys(tags[1:2])),
            ("m2m_clear", boat.hull_id, "ports", keys(tags[2:])),
        ]


class TestWhatIsNotTold:
    def test_when_says_no(self, tags, told):
        Draft.objects.create(is_hidden=True).tags.add(tags[0])
        draft = Draft.objects.create()
        tags[0].draft_set.add(draft)
        assert told("drafts") == [("m2m_add", draft.pk, "tags", [tags[0].pk])]

    def test_actions_that_are_not_named(self, tags, told):
        draft = Draft.objects.create()
        draft.tags.add(tags[0])
        draft.tags.remove(tags[0])
        assert [action for action, *_ in told("drafts")] == ["m2m_add"]

    def test_a_suppressed_stream(self, article, tags, told):
        with suppress("labelled"):
            article.tags.add(tags[0])
        assert told() == []

    def test_what_is_rolled_back(self, article, tags, told):
        with transaction.atomic():
            article.tags.add(tags[0])
            assert told() == []
            transaction.set_rollback(True)
        assert told() == []

    def test_fixtures(self, server, told, tmp_path):
        rows = [
            {"model": "market.tag", "pk": 1, "fields": {"name": "x"}},
            {"model": "market.article", "pk": 1, "fields": {"name": "a", "tags": [1], "friends": [1]}},
        ]
        fixture = tmp_path / "articles.json"
        fixture.write_text(json.dumps(rows))
        call_command("loaddata", str(fixture), verbosity=0)
        assert Article.objects.get().tags.count() == 1
        assert told() == []


def test_costs_no_query_to_add_and_two_to_remove(article, tags, django_assert_num_queries):
    with django_assert_num_queries(4):  # begin, what is there, insert, commit
        article.tags.add(tags[0])
    with django_assert_num_queries(5):  # begin, before, delete, after, commit
        article.tags.remove(tags[0])


def test_on_another_database(server, told):
    tag = Tag.objects.using("other").create(name="x")
    article = Article.objects.using("other").create(name="a")
    with transaction.atomic(using="other"):
        article.tags.add(tag)
        assert told() == []
    assert told() == [("m2m_add", article.pk, "tags", [tag.pk])]


@isolate_apps("tests.market")
def test_models_that_come_later_may_be_named():
    from django.db import models

    class Early(models.Model):
        plain = models.ManyToManyField("Late", related_name="+")
        own = models.ManyToManyField("Late", through="Between", related_name="+")

        events = StreamPublisher("early", actions=["m2m_add"])

        class Meta:
            app_label = "market"

    class Between(models.Model):
        early = models.ForeignKey(Early, models.CASCADE)
        late = models.ForeignKey("Late", models.CASCADE)

        class Meta:
            app_label = "market"

    class Late(models.Model):
        class Meta:
            app_label = "market"

    assert m2m_changed.has_listeners(Early.plain.through)
    assert m2m_changed.has_listeners(Between)

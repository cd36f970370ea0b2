"""The image does the work of compose.yaml's services, on a Redis and a PostgreSQL of this machine."""

import tempfile
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.container.compose import services
from tests.container.image import Image, Service
from tests.faults.postgres import Postgres
from tests.faults.servers import Server

pytestmark = pytest.mark.slow

PLACE_AN_ORDER = """
from django.db import transaction
from demo_project.shop.models import Order
with transaction.atomic():
    Order.objects.create(number="A1", customer="Ada").lines.create(product="Tea", unit_price=4)
"""
INVOICES = "from demo_project.billing.models import Invoice; print(Invoice.objects.filter(order_number='A1').count())"


@pytest.fixture(scope="module")
def image():
    with tempfile.TemporaryDirectory(prefix="stream_events-image-") as folder, closing(Image(Path(folder))) as image:
        yield image.build()


@pytest.fixture
def postgres():
    server = Postgres().start()
    server.folder.chmod(0o711)  # the user of the image has to reach the socket
    yield server
    server.close()


@pytest.fixture
def redis(tmp_path):
    server = Server("valkey-9", tmp_path / "redis")
    yield server.start()
    server.close()


@pytest.fixture
def compose(image, postgres, redis):
    """All services of compose.yaml that run the image, by name."""
    environment = {
        "SECRET_KEY": "of a test",
        "DATABASE_URL": postgres.url,
        "REDIS_URL": redis.url,
        "ALLOWED_HOSTS": "localhost",
        "CSRF_TRUSTED_ORIGINS": "",
    }
    mounts = [f"{postgres.folder}:{postgres.folder}"]
    found = {name: Service(image, definition, environment, mounts) for name, definition in services().items()}
    yield found
    for service in found.values():
        service.close()


def test_services_are_healthy_handle_events_and_end_when_they_are_told(compose):
    migrate = compose.pop("migrate")
    migrate.start()
    assert migrate.wait() == 0, migrate.output()
    for service in compose.values():
        service.start()
    for name, service in compose.items():
        wait_for(service.is_healthy, f"the health of {name}", timeout=90)
    with urllib.request.urlopen(f"{compose['web'].url}/static/stream_events/admin.css", timeout=30) as page:
        assert page.status == 200
    manage(migrate, "shell", "-v0", "-c", PLACE_AN_ORDER)
    wait_for(lambda: manage(migrate, "shell", "-v0", "-c", INVOICES) == "1", "the invoice", timeout=60)
    for service in compose.values():
        service.tell_to_end()
    assert {name: service.wait() for name, service in compose.items()} == dict.fromkeys(compose, 0)


def test_the_user_of_the_image_cannot_change_it(image):
    code, output = image.run(["touch", "/app/changed", "/opt/venv/changed"])
    assert code == 1
    assert output.count("Permission denied") == 2


def test_the_image_refuses_to_work_without_a_secret_key(image):
    code, output = image.run(["python", "manage.py", "check"])
    assert code == 1
    assert "Set the SECRET_KEY environment variable" in output


def manage(service, *arguments):
    code, output = service.run("python", "manage.py", *arguments)
    assert code == 0, output
    return output.strip()

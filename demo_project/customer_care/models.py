from django.db import models


class Ticket(models.Model):
    class Reason(models.TextChoices):
        CANCELLED = "cancelled"
        REFUND = "refund"

    order_number = models.CharField(max_length=20)
    reason = models.CharField(max_length=20, choices=Reason)
    opened_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.order_number}: {self.get_reason_display()}"

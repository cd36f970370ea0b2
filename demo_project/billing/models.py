from django.db import models


class Invoice(models.Model):
    order_number = models.CharField(max_length=20, unique=True)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    written_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"Invoice for {self.order_number}"

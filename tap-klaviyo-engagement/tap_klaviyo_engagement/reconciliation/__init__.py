"""`tap-klaviyo-reconcile`: reads again the days on which a warehouse and Klaviyo count events differently."""

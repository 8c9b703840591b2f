/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the main function of every unit test ends with. */
#include "support/suite.h"

#include <stdlib.h>

int suite_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
